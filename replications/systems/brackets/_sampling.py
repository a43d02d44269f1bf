"""Random bracket strings as walks of steps: +1 for '(', -1 for ')', 0 after the end.

Vectorised over strings; 100,000 strings take a fraction of a second.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def balanced_length_law(longest: int) -> NDArray[np.float64]:
    """P(length 2k | balanced) for k = 1 … longest / 2, proportional to Catalan(k) / 4**k.

    Of the 4**k strings of length 2k, Catalan(k) are balanced.
    """
    weight = [math.comb(2 * k, k) / (k + 1) / 4**k for k in range(1, longest // 2 + 1)]
    total = sum(weight)
    return np.array([w / total for w in weight])


def balanced_steps(n: int, longest: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """n balanced strings, uniform per length: int8 [n longest].

    Cycle lemma: of the rotations of k ups and k + 1 downs exactly one stays at or above 0 until
    its last step. It starts just after the first minimum of the running sum.
    """
    halves = np.arange(1, longest // 2 + 1)
    k = rng.choice(halves, size=n, p=balanced_length_law(longest))[:, None]
    column = np.arange(longest + 1)
    keys = rng.random((n, longest + 1), dtype=np.float32)
    order = np.where(column <= 2 * k, keys, 2.0).argsort(axis=1)
    by_rank = np.where(column < k, 1, np.where(column <= 2 * k, -1, 0)).astype(np.int8)
    walk = np.zeros_like(by_rank)
    np.put_along_axis(walk, order, by_rank, axis=1)
    start = walk.cumsum(axis=1, dtype=np.int8).argmin(axis=1)[:, None] + 1
    rotated = np.take_along_axis(walk, (start + column) % (2 * k + 1), axis=1)
    return np.where(column < 2 * k, rotated, 0)[:, :longest].astype(np.int8)


def unbalanced_steps(n: int, longest: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """n strings of uniform even length, fair brackets, balanced ones rejected: int8 [n longest]."""
    kept = np.empty((0, longest), dtype=np.int8)
    while len(kept) < n:
        size = int((n - len(kept)) * 1.1) + 8
        length = 2 * rng.integers(1, longest // 2 + 1, size=(size, 1))
        steps = 1 - 2 * rng.integers(0, 2, size=(size, longest), dtype=np.int8)
        steps = np.where(np.arange(longest) < length, steps, 0).astype(np.int8)
        height = steps.cumsum(axis=1, dtype=np.int8)
        kept = np.concatenate([kept, steps[(height[:, -1] != 0) | (height.min(axis=1) < 0)]])
    return kept[:n]
