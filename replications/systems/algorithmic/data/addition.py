"""Sums of two numbers of four digits. The answer: the digits of the sum, thousands first.

A sequence is A0 A1 A2 A3 + B0 B1 B2 B3 = C0 C1 C2 C3, and C_i is read one position before it. The
first digit of each number is at most 4, so that the sum has four digits, too.

The *sum digit* of place i is (A_i + B_i) mod 10, and the *carry* into it is 1 if
A_{i+1} + B_{i+1} is at least 10, which leaves out carries over two digits.
"""

from __future__ import annotations

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.systems.algorithmic.data.examples import Examples, Symbols, seeded

DIGITS = 10
PLUS, EQUALS = DIGITS, DIGITS + 1
PLACES = 4
"""How many digits a number has."""
A, B = 0, PLACES + 1
"""The positions of A0 and B0."""
ANSWERED = tuple(range(2 * PLACES + 1, 3 * PLACES + 1))
"""The positions at which C0 to C3 are read: =, C0, C1, C2."""
CONTEXT = 3 * PLACES + 2
NAMES = ("A0", "A1", "A2", "A3", "+", "B0", "B1", "B2", "B3", "=", "C0", "C1", "C2", "C3")
"""What stands at each position."""
SET_SIZE, SET_SEED = 1_000, 42
"""The set that the published analysis measures on."""

SYMBOLS = Symbols(
    inputs=(*map(str, range(DIGITS)), "+", "="),
    markers=(),
    outputs=(*map(str, range(DIGITS)), "+", "="),
    opening=None,
    closing=None,
    shortest=2 * PLACES + 2,
    longest=CONTEXT,
)


def generate(n: int, seed: int) -> Examples:
    """n sums of random numbers. Raises BadInput unless n is positive, and for a negative seed."""
    if n < 1:
        raise BadInput(f"a set has at least one sequence, not {n}")
    generator = seeded(seed)

    def number() -> Tensor:
        first = torch.randint(DIGITS // 2, (n, 1), generator=generator)
        rest = torch.randint(DIGITS, (n, PLACES - 1), generator=generator)
        return torch.cat([first, rest], dim=1)

    return of_numbers(number(), number())


def of_numbers(a: Tensor, b: Tensor) -> Examples:
    """The sums of two numbers given by their digits: long [n 4] each."""
    total = digits(value(a) + value(b))
    plus, equals = (torch.full((len(a), 1), token) for token in (PLUS, EQUALS))
    return Examples(torch.cat([a, plus, b, equals, total], dim=1), total, ANSWERED)


def value(digits: Tensor) -> Tensor:
    """The numbers that digits [n 4] stand for: long [n]."""
    return (digits * 10 ** torch.arange(PLACES - 1, -1, -1)).sum(1)


def digits(values: Tensor) -> Tensor:
    """The last four digits of numbers [n]: long [n 4]."""
    return values[:, None] // 10 ** torch.arange(PLACES - 1, -1, -1) % DIGITS


def pairs(tokens: Tensor) -> Tensor:
    """A_i + B_i of sequences [n pos]: long [n 4]."""
    return tokens[:, A : A + PLACES] + tokens[:, B : B + PLACES]


def sum_digits(tokens: Tensor) -> Tensor:
    """The sum digit of each place, which no carry changes: long [n 4]."""
    return pairs(tokens) % DIGITS


def carries(tokens: Tensor) -> Tensor:
    """The carry into each place from the pair of digits after it: long [n 4]."""
    found = (pairs(tokens) >= DIGITS).long()
    return torch.cat([found[:, 1:], torch.zeros_like(found[:, :1])], dim=1)
