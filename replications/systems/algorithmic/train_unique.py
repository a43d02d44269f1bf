"""Train a first-unique-letter model: `python -m replications train algorithmic/unique --seed N`.

The published recipe keeps the epoch with the best accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replications.systems.algorithmic import train
from replications.systems.algorithmic.data.unique import generate
from replications.systems.algorithmic.model import UNIQUE

__all__ = ["Recipe", "main"]


@dataclass(frozen=True)
class Recipe(train.Recipe):
    """The shared recipe, with more epochs."""

    epochs: int = 50


def main(argv: Sequence[str]) -> int:
    """As `train.run_recipe`."""
    return train.run_recipe(argv, UNIQUE, generate, Recipe, keep_best=True)
