"""Lists of ten different numbers, SEP, and the same numbers in ascending order.

The answer at SEP and at each number after it but the last: the next number of the sorted list.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.systems.algorithmic.data.examples import Examples, Symbols, seeded

VALUES = 51
"""The numbers are 0 to 50."""
SEP = VALUES
LENGTH = 10
CONTEXT = 2 * LENGTH + 1
SET_SIZE, SET_SEED = 500, 43
"""The set that the published analysis measures on; its seed is that of validation."""

SYMBOLS = Symbols(
    inputs=(*map(str, range(VALUES)), "SEP"),
    markers=(),
    outputs=(*map(str, range(VALUES)), "SEP"),
    opening=None,
    closing=None,
    shortest=LENGTH + 1,
    longest=CONTEXT - 1,
)


def generate(
    n: int, seed: int, *, length: int = LENGTH, low: int = 0, high: int = VALUES - 1,
    sep: int | None = None,
) -> Examples:  # fmt: skip
    """n lists of different numbers from `low` to `high`, evenly drawn.

    Raises BadInput for a set or a list that is empty, for more numbers than there are, and for a
    negative seed.
    """
    if n < 1 or not 1 <= length <= high - low + 1:
        raise BadInput(f"there is nothing to draw: {n} lists of {length} numbers {low} to {high}")
    order = torch.rand(n, high - low + 1, generator=seeded(seed)).argsort(-1)
    return of_lists(low + order[:, :length], SEP if sep is None else sep)


def of_lists(values: Tensor, sep: int = SEP) -> Examples:
    """Lists [n length], each followed by SEP and its numbers in order, with the right answers."""
    ordered = values.sort(-1).values
    length = values.shape[1]
    tokens = torch.cat([values, torch.full((len(values), 1), sep), ordered], dim=1)
    return Examples(tokens, ordered, tuple(range(length, 2 * length)))


def among(numbers: Tensor, chosen: Collection[int]) -> Tensor:
    """Which numbers are among the chosen ones: bool, in the shape of `numbers`."""
    return torch.isin(numbers, torch.tensor(list(chosen), dtype=torch.long))


def of_values(*values: Sequence[int]) -> Examples:
    """The same of lists of numbers. Raises BadInput unless each has ten numbers from 0 to 50."""
    for numbers in values:
        SYMBOLS.encode([*numbers, "SEP"])
    return of_lists(torch.tensor([list(numbers) for numbers in values]))
