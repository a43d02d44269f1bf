"""Train an addition model of one layer: `python -m replications train algorithmic/sum-one-layer`.

The recipe of the model with two layers; the document says only that it reaches about 95 %.
"""

from __future__ import annotations

from collections.abc import Sequence

from replications.systems.algorithmic import train, train_sum
from replications.systems.algorithmic.data.addition import generate
from replications.systems.algorithmic.model import SUM_ONE_LAYER

__all__ = ["Recipe", "main"]

Recipe = train_sum.Recipe


def main(argv: Sequence[str]) -> int:
    """As `train.run_recipe`."""
    return train.run_recipe(argv, SUM_ONE_LAYER, generate, Recipe, keep_best=True)
