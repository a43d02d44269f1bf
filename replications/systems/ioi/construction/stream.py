"""How the residual stream of the construction is divided into blocks.

A block holds a flag, which is 0 or 1, a word of the code in `code` (a token, a position or a name),
or a flag for each name. What is written into a block sums to zero: one more coordinate balances a
flag or a word, and names balance each other. So does every position's constant, which is far longer
than the rest. The LayerNorms therefore change almost nothing.
"""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor

from replications.systems.ioi.construction import code
from replications.systems.ioi.data import NAMES

LAYERS, HEADS, D_HEAD = 12, 12, 2 * code.WIDTH + 1
"""A head compares two words and one more number, or moves two words."""
D_MODEL = HEADS * D_HEAD
CONTEXT = 32
"""Positions: enough for the longest prompt, and for 15 random tokens that repeat."""
CONSTANT = 42.0
"""Length of the constant in each of its two coordinates."""
FLAGS = ("constant", "start", "is a name", "repeated", "ballast")
WORDS = (
    "token",
    "token before",
    "position",
    "position before",
    "repeated position",
    "inhibited position",
    "inhibited name",
)
NAME_BLOCKS = ("own name", "name", "unread name")
"""A name as one of 32 flags. The unembedding reads "name" alone; nothing reads "unread name"."""

_SIZES = {
    **dict.fromkeys(FLAGS, 1),
    **dict.fromkeys(WORDS, code.WIDTH),
    **dict.fromkeys(NAME_BLOCKS, len(NAMES)),
}
_BALANCED = (*FLAGS, *WORDS)
"""Blocks with one more coordinate. Flags of names are balanced by those of the other names."""
_STARTS = dict(
    zip(
        _SIZES,
        accumulate((size + (name in _BALANCED) for name, size in _SIZES.items()), initial=0),
        strict=False,
    )
)


def read(block: str) -> Tensor:
    """What reads each coordinate of a block: [1, 16 or 32 d_model]."""
    start = _STARTS[block]
    return torch.eye(D_MODEL)[start : start + _SIZES[block]]


def write(block: str) -> Tensor:
    """What writes each coordinate of a block, balanced: as `read`."""
    found = read(block)
    if block in NAME_BLOCKS:
        return found - found.mean(0)
    found[:, _STARTS[block] + _SIZES[block]] = -1.0
    return found


def read_name(block: str) -> Tensor:
    """What reads the word of the name that a block of flags holds: [16 d_model]."""
    return code.words()[: len(NAMES)].T @ read(block)
