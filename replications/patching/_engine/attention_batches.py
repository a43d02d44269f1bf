"""Batches of attention: which rows of queries, keys and values go together, in fast shapes.

Attention of one run over a few positions is too small for the kernels. Runs of one window and one
example share the keys and values before the window, so several of them are laid side by side as one
longer sequence, in which no run sees another's own positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from replications.patching._engine.problem import Ints

Mask = npt.NDArray[np.bool_]
"""An array of booleans."""
Array = npt.NDArray[Any]
A = TypeVar("A")
"""What holds numbers of rows: Array while a plan is made, Tensor once it is where it runs."""
BLOCK = 32
"""About how many positions such a longer sequence has."""


@dataclass(frozen=True)
class AttentionBatch(Generic[A]):
    """The rows of one attention call; *filler* rows only make its tables rectangular."""

    queries: A
    """Rows of q: [sequence query]"""
    keys: A
    """Rows of k: [sequence key]"""
    values: A
    """Rows of v: [sequence key]"""
    allowed: A | None
    """Which keys a query may see: [sequence|1 query|1 key]; None where it may see all."""
    pairs: int
    """Pairs of a query and a key that causality lets it see, without filler and other runs."""
    real: A | None = None
    """The queries that are no filler, as indices of `queries` laid flat; None for all."""


def side_by_side(
    example: Ints, queries: Ints, prefix: Ints, own: Ints, allowed: Mask | None, pairs: int
) -> AttentionBatch[Array]:
    """A batch of runs that all have one window, and come ordered by example [run].

    `queries` are [run query]. The keys of a run are `prefix` [run key], those before the window,
    which are the same for all runs of an example, and `own` [run key], those in the window.
    `allowed` [run|1 query|1 key] is about both parts.

    An example: a window of 16 positions, so that two runs make a block of 32. Runs 0, 1 and 2 are
    of example 0, run 3 is of example 1. For brevity a run has the one query 100, 101, 102, 103:

    >>> own = np.arange(64).reshape(4, 16)
    >>> prefix = np.array([[90], [90], [90], [91]])
    >>> found = side_by_side(np.array([0, 0, 0, 1]), np.arange(100, 104)[:, None], prefix, own,
    ...                      allowed=None, pairs=4 * 17)

    Example 0 fills a block and a half, so three blocks are made. The missing second run of blocks
    1 and 2 is a copy of the first, and its query is filler:

    >>> found.queries.tolist()
    [[100, 101], [102, 102], [103, 103]]
    >>> found.real.tolist()
    [0, 1, 2, 4]

    The keys of block 0 are the prefix, then the 16 of run 0 and the 16 of run 1. Its second query
    sees the prefix and the last 16:

    >>> found.keys[0, [0, 1, 16, 17, 32]].tolist()
    [90, 0, 15, 16, 31]
    >>> np.flatnonzero(found.allowed[0, 1]).tolist() == [0, *range(17, 33)]
    True
    """
    count = np.bincount(example)
    per_block = min(max(1, BLOCK // own.shape[1]), int(count.max()))
    if per_block == 1:
        keys = np.hstack([prefix, own])
        return AttentionBatch[Array](queries, keys, keys, allowed, pairs)
    runs = _blocks(example, count, per_block)
    real = np.repeat(runs >= 0, queries.shape[1], axis=1)
    runs = np.where(runs < 0, runs[:, :1], runs)
    keys = np.hstack([prefix[runs[:, 0]], own[runs].reshape(len(runs), -1)])
    return AttentionBatch[Array](
        queries[runs].reshape(len(runs), -1), keys, keys,
        _apart(runs, (queries.shape[1], prefix.shape[1], own.shape[1]), allowed),
        pairs, None if real.all() else np.flatnonzero(real),
    )  # fmt: skip


def _blocks(example: Ints, count: Ints, per_block: int) -> Ints:
    """The runs of each block, [block run], -1 where an example has no more.

    `count` is the number of runs of each example.

    >>> _blocks(np.array([0, 0, 0, 1]), np.array([3, 1]), per_block=2).tolist()
    [[0, 1], [2, -1], [3, -1]]
    """
    blocks = -(-count // per_block)
    # The place of a run among those of its example: 0, 1, 2 and 0 in the example above.
    place = np.arange(len(example)) - (count.cumsum() - count)[example]
    block = (blocks.cumsum() - blocks)[example] + place // per_block
    runs = np.full((blocks.sum(), per_block), -1)
    runs[block, place % per_block] = np.arange(len(example))
    return runs


def _apart(runs: Ints, sizes: tuple[int, int, int], allowed: Mask | None) -> Mask:
    """Which keys of a block a query may see: those before the window, and its own run's.

    `runs` is [block run]; `sizes` are the numbers of queries, prefix keys and own keys of a run.
    """
    per_block, (n_queries, n_prefix, n_own) = runs.shape[1], sizes
    if allowed is None:
        allowed = np.ones((1, 1, n_prefix + n_own), dtype=bool)
    # The mask of each run, or one for all.
    each = allowed[runs] if len(allowed) > 1 else allowed[None]
    found = np.zeros((len(each), per_block, n_queries, n_prefix + per_block * n_own), dtype=bool)
    found[..., :n_prefix] = each[..., :n_prefix]
    for i in range(per_block):
        begin = n_prefix + i * n_own
        mine = each[:, min(i, each.shape[1] - 1), :, n_prefix:]
        found[:, i, :, begin : begin + n_own] = mine
    return found.reshape(len(each), per_block * n_queries, -1)


def merge(batches: Sequence[AttentionBatch[Array]]) -> AttentionBatch[Array]:
    """One batch in place of several, filled up to the most queries and keys: fewer launches.

    >>> short = AttentionBatch(*np.array([[[0]], [[0]], [[0]]]), None, pairs=1)
    >>> long = AttentionBatch(*np.array([[[1, 2]], [[1, 2]], [[1, 2]]]), None, pairs=4)
    >>> both = merge([short, long])
    >>> both.queries.tolist(), both.real.tolist(), both.pairs
    ([[0, 0], [1, 2]], [0, 2, 3], 5)
    """
    lengths = [len(batch.queries) for batch in batches]
    begins = np.cumsum([0, *lengths])
    queries, keys, values = (
        _stack([getattr(batch, name) for batch in batches])
        for name in ("queries", "keys", "values")
    )
    allowed = np.zeros((*queries.shape, keys.shape[1]), dtype=bool)
    # A filler query sees one key, so that its softmax is a number.
    allowed[:, :, 0] = True
    real = np.zeros(queries.shape, dtype=bool)
    for batch, begin, length in zip(batches, begins, lengths, strict=False):
        n_queries, n_keys = batch.queries.shape[1], batch.keys.shape[1]
        mine = slice(begin, begin + length)
        allowed[mine, :n_queries, :n_keys] = True if batch.allowed is None else batch.allowed
        inside = np.zeros(batch.queries.size, dtype=bool)
        inside[slice(None) if batch.real is None else batch.real] = True
        real[mine, :n_queries] = inside.reshape(batch.queries.shape)
    pairs = sum(batch.pairs for batch in batches)
    return AttentionBatch[Array](queries, keys, values, allowed, pairs, np.flatnonzero(real))


def _stack(tables: Sequence[Ints]) -> Ints:
    """Tables below one another, each made as wide as the widest by repeating its last column."""
    width = max(table.shape[1] for table in tables)
    return np.concatenate(
        [np.pad(table, ((0, 0), (0, width - table.shape[1])), "edge") for table in tables]
    )
