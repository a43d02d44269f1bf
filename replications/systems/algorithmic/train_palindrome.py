"""Train a palindrome classifier: `python -m replications train algorithmic/palindrome --seed N`.

The published recipe keeps the weights of the last epoch.
"""

from __future__ import annotations

from collections.abc import Sequence

from replications.systems.algorithmic import train
from replications.systems.algorithmic.data.palindrome import generate
from replications.systems.algorithmic.model import PALINDROME

__all__ = ["Recipe", "main"]

Recipe = train.Recipe


def main(argv: Sequence[str]) -> int:
    """As `train.run_recipe`."""
    return train.run_recipe(argv, PALINDROME, generate, Recipe, keep_best=False)
