"""Sequences of twenty numbers between START and END. The answer at END: is it a palindrome?

Position i of the second half (11 to 20) has its mirror at 21 - i in the first half.
"""

from __future__ import annotations

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.systems.algorithmic.data.examples import Examples, Symbols, seeded

VALUES = 31
"""The numbers are 0 to 30."""
START, END = VALUES, VALUES + 1
HALF = 10
LENGTH = 2 * HALF
AT_END = LENGTH + 1
"""The position of END, where the answer is read."""
CONTEXT = LENGTH + 2
SECOND = tuple(range(HALF + 1, LENGTH + 1))
"""The positions of the second half."""
NO, YES = 0, 1
"""The outputs: not a palindrome, a palindrome."""
SET_SIZE, SET_SEED = 2_500, 42
"""The set that the published analysis measures on."""

SYMBOLS = Symbols(
    inputs=tuple(str(value) for value in range(VALUES)),
    markers=("START", "END"),
    outputs=("no", "yes"),
    opening=START,
    closing=END,
    shortest=LENGTH,
    longest=LENGTH,
    contrast=(YES, NO),
)


def mirror(position: int) -> int:
    """The position with which `position` forms a pair."""
    return AT_END - position


def generate(n: int, seed: int) -> Examples:
    """n sequences; one half was drawn as palindromes, in the other each number of the second half
    was replaced with probability one half.

    Raises BadInput unless n is even and positive, and for a negative seed.
    """
    if n < 2 or n % 2:
        raise BadInput(f"a set has an even number of sequences, at least two, not {n}")
    generator, size = seeded(seed), (n // 2, HALF)
    first = torch.randint(VALUES, size, generator=generator)
    spare = torch.randint(VALUES, size, generator=generator)
    replaced = torch.randint(2, size, generator=generator) == 1
    broken = torch.cat([first, torch.where(replaced, spare, first.flip(1))], dim=1)
    half = torch.randint(VALUES, size, generator=generator)
    values = torch.cat([torch.cat([half, half.flip(1)], dim=1), broken])
    return of_values(values[torch.randperm(n, generator=generator)])


def of_values(values: Tensor) -> Examples:
    """The sequences of these numbers, long [n 20], with the right answers."""
    ends = [torch.full((len(values), 1), token) for token in (START, END)]
    tokens = torch.cat([ends[0], values, ends[1]], dim=1)
    return Examples(tokens, equal_pairs(tokens).all(1, keepdim=True).long(), (AT_END,))


def values_of(tokens: Tensor) -> Tensor:
    """The numbers of sequences [n pos], without START and END: long [n 20]."""
    return tokens[:, 1:AT_END]


def equal_pairs(tokens: Tensor) -> Tensor:
    """Whether each position of the second half equals its mirror: bool [n second]."""
    return tokens[:, list(SECOND)] == tokens[:, [mirror(i) for i in SECOND]]


def mirrored(tokens: Tensor) -> Tensor:
    """The palindromes with the same second halves: long [n pos]."""
    found = tokens.clone()
    found[:, [mirror(i) for i in SECOND]] = tokens[:, list(SECOND)]
    return found


def changed(tokens: Tensor, position: int) -> Tensor:
    """The same sequences with the number at one position raised by one, modulo 31."""
    found = tokens.clone()
    found[:, position] = (found[:, position] + 1) % VALUES
    return found


def all_unequal(tokens: Tensor, generator: torch.Generator) -> Tensor:
    """The same second halves, and first halves that differ from their mirrors everywhere.

    Each number of the mirrored first half is raised by 1 to 29, drawn evenly, modulo 31.
    """
    found = mirrored(tokens)
    half = slice(1, HALF + 1)
    rise = torch.randint(1, VALUES - 1, found[:, half].shape, generator=generator)
    found[:, half] = (found[:, half] + rise) % VALUES
    return found
