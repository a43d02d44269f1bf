"""Train an addition model: `python -m replications train algorithmic/sum --seed N`.

The published recipe keeps the epoch with the best accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replications.systems.algorithmic import train
from replications.systems.algorithmic.data.addition import generate
from replications.systems.algorithmic.model import SUM

__all__ = ["Recipe", "main"]


@dataclass(frozen=True)
class Recipe(train.Recipe):
    """The shared recipe, with more epochs, a falling rate and decay."""

    epochs: int = 100
    learning_rate: float = 2e-3
    final_rate: float = 1e-4
    weight_decay: float = 1e-3


def main(argv: Sequence[str]) -> int:
    """As `train.run_recipe`."""
    return train.run_recipe(argv, SUM, generate, Recipe, keep_best=True)
