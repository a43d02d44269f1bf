"""Train a sorting model: `python -m replications train algorithmic/sorted --seed N`.

The published recipe keeps the epoch with the best accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replications.systems.algorithmic import train
from replications.systems.algorithmic.data.sorting import generate
from replications.systems.algorithmic.model import SORTED

__all__ = ["Recipe", "main"]


@dataclass(frozen=True)
class Recipe(train.Recipe):
    """The shared recipe, with more rows and epochs, a falling rate and decay."""

    rows: int = 150_000
    validation_rows: int = 10_000
    epochs: int = 25
    final_rate: float = 1e-4
    weight_decay: float = 5e-3


def main(argv: Sequence[str]) -> int:
    """As `train.run_recipe`."""
    return train.run_recipe(argv, SORTED, generate, Recipe, keep_best=True)
