"""A code of 224 words in 16 dimensions, so that every token and position fits into one head.

It is the Nordstrom-Robinson code (a Kerdock code, 1967 and 1972) without its linear part: words of
length 1 in which every coordinate is 1/4 or -1/4. Two words have the inner product 0, 1/4 or -1/4,
unless they are opposites. Every word sums to 1 or -1.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

WIDTH = 16
FIELD = 8
"""Elements of the field whose multiplication the code is made of; its elements are 3-bit numbers.
"""


def _times(a: int, b: int) -> int:
    """Multiplication modulo x³ + x + 1."""
    product = 0
    for bit in range(3):
        product ^= (a << bit) * (b >> bit & 1)
    for bit in (4, 3):
        product ^= (0b1011 << bit - 3) * (product >> bit & 1)
    return product


def _trace(a: int) -> int:
    """a + a² + a⁴, which is 0 or 1."""
    square = _times(a, a)
    return a ^ square ^ _times(square, square)


def _bent(a: int, point: int) -> int:
    """The quadratic form of `a` at a point of 4 bits: Tr((ax)³) + e Tr(ax) with x and e from it."""
    x, e = point >> 1, point & 1
    y = _times(a, x)
    return _trace(_times(y, _times(y, y))) ^ (e & _trace(y))


@cache
def words() -> Tensor:
    """The code: [224 16]. The first 112 words have no opposites among them; those follow.

    Of these each 16, from 0, 16, … on, are orthogonal to each other.
    """
    points = range(WIDTH)
    linear = torch.tensor([[(a & p).bit_count() & 1 for p in points] for a in points])
    forms = torch.tensor([[_bent(a, p) for p in points] for a in range(1, FIELD)])
    signs = (1.0 - 2.0 * (linear ^ forms[:, None])).flatten(0, 1) / 4
    return torch.cat([signs, -signs])
