"""Sequences of twenty numbers. The answer at each: is the sum so far negative, zero or positive?

The token of a number is the number plus five.
"""

from __future__ import annotations

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.systems.algorithmic.data.examples import Examples, Symbols, seeded

MAXIMUM = 5
"""The numbers are -5 to 5."""
CONTEXT = 20
NEGATIVE, ZERO, POSITIVE = range(3)
"""The outputs."""
BACK = 0.7
"""How likely a number is to have the sign that brings the sum back to zero."""
SET_SIZE, SET_SEED = 1_000, 42
"""The set that the published analysis measures on."""

SYMBOLS = Symbols(
    inputs=tuple(map(str, range(-MAXIMUM, MAXIMUM + 1))),
    markers=(),
    outputs=("negative", "zero", "positive"),
    opening=None,
    closing=None,
    shortest=1,
    longest=CONTEXT,
)


def generate(n: int, seed: int, *, length: int = CONTEXT, maximum: int = MAXIMUM) -> Examples:
    """n sequences whose sums stay close to zero.

    Raises BadInput for a set or a sequence that is empty, and for a negative seed.
    """
    if min(n, length, maximum) < 1:
        raise BadInput(f"there is nothing to draw: {n} rows of {length} numbers up to {maximum}")
    generator = seeded(seed)
    # The published code draws all columns and then replaces all but the first.
    first = torch.randint(-maximum, maximum + 1, (n, length), generator=generator)
    values = first[:, :1]
    for _ in range(1, length):
        back = torch.rand(n, generator=generator) < BACK
        size = torch.randint(0, maximum + 1, (n,), generator=generator)
        above = values.sum(1) > 0
        drawn = torch.where(above == back, -size, size)
        values = torch.cat([values, drawn[:, None]], dim=1)
    return of_values(values, maximum)


def of_values(values: Tensor, maximum: int = MAXIMUM) -> Examples:
    """Sequences of numbers, long [n pos], with the right answers at every position."""
    labels = values.cumsum(1).sign() + 1
    return Examples(values + maximum, labels, tuple(range(values.shape[1])))


def values_of(tokens: Tensor) -> Tensor:
    """The numbers that tokens stand for, of the same shape."""
    return tokens - MAXIMUM
