"""Train a running-sum model: `python -m replications train algorithmic/cumsum --seed N`.

The published recipe keeps the epoch with the best accuracy, and of several
the one with the lowest loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replications.systems.algorithmic import train
from replications.systems.algorithmic.data.cumsum import generate
from replications.systems.algorithmic.model import CUMSUM

__all__ = ["Recipe", "main"]


@dataclass(frozen=True)
class Recipe(train.Recipe):
    """The shared recipe, with more rows and epochs, a falling rate and decay."""

    rows: int = 150_000
    epochs: int = 20
    final_rate: float = 1e-4
    weight_decay: float = 1e-2


def main(argv: Sequence[str]) -> int:
    """As `train.run_recipe`."""
    return train.run_recipe(argv, CUMSUM, generate, Recipe, keep_best=True, by_loss=True)
