"""Attention calls: which rows of queries, keys and values go together, in shapes that run fast.

Attention of one run over a few positions is too small for the kernels. Runs of one window and one
example share the keys and values before the window, so several of them are laid side by side as one
longer sequence, in which no run sees another's own positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from replications.patching._engine.problem import Ints

Mask = np.ndarray
"""Of booleans."""
BLOCK = 32
"""Positions of a longer sequence, about."""


@dataclass(frozen=True)
class Call:
    """Rows of one attention call; a row of filling only makes the table rectangular."""

    queries: Ints
    """[sequence query], rows of q"""
    keys: Ints
    """[sequence key], rows of k"""
    values: Ints
    """[sequence key], rows of v"""
    allowed: Mask | None
    """[sequence|1 query|1 key]: which keys a query may see; None where it may see all"""
    pairs: int
    """Queries times the keys that causality lets them see, without filling and other runs."""
    real: Ints | None = None
    """The queries that are no filling, as places in [sequence query] laid flat; None for all"""


def side_by_side(
    example: Ints, queries: Ints, prefix: Ints, own: Ints, allowed: Mask | None, pairs: int
) -> Call:
    """A call of runs [run query] that come by example, their keys [run key] in two parts.

    `prefix` are the keys before the runs' window, the same for one example; `own` those in it.
    `allowed` [run|1 query|1 key] is about both parts.
    """
    count = np.bincount(example)
    per_block = min(max(1, BLOCK // own.shape[1]), int(count.max()))
    if per_block == 1:
        keys = np.hstack([prefix, own])
        return Call(queries, keys, keys, allowed, pairs)
    blocks = -(-count // per_block)
    place = np.arange(len(example)) - (count.cumsum() - count)[example]
    block = (blocks.cumsum() - blocks)[example] + place // per_block
    runs = np.full((blocks.sum(), per_block), -1)
    runs[block, place % per_block] = np.arange(len(example))
    real = np.repeat(runs >= 0, queries.shape[1], axis=1)
    runs = np.where(runs < 0, runs[:, :1], runs)
    keys = np.hstack([prefix[runs[:, 0]], own[runs].reshape(len(runs), -1)])
    return Call(
        queries[runs].reshape(len(runs), -1), keys, keys,
        _apart(runs, (queries.shape[1], prefix.shape[1], own.shape[1]), allowed),
        pairs, None if real.all() else np.flatnonzero(real),
    )  # fmt: skip


def _apart(runs: Ints, sizes: tuple[int, int, int], allowed: Mask | None) -> Mask:
    """Which keys of a block a query may see: those before the window, and its own run's."""
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


def merge(calls: Sequence[Call]) -> Call:
    """One call in place of several, filled up to the most queries and keys: for few launches."""
    lengths = [len(call.queries) for call in calls]
    begins = np.cumsum([0, *lengths])
    queries, keys, values = (
        _stack([getattr(call, name) for call in calls]) for name in ("queries", "keys", "values")
    )
    allowed = np.zeros((*queries.shape, keys.shape[1]), dtype=bool)
    # A query that is filling sees one key, so that its softmax is a number.
    allowed[:, :, 0] = True
    real = np.zeros(queries.shape, dtype=bool)
    for call, begin, length in zip(calls, begins, lengths, strict=False):
        n_queries, n_keys = call.queries.shape[1], call.keys.shape[1]
        mine = slice(begin, begin + length)
        allowed[mine, :n_queries, :n_keys] = True if call.allowed is None else call.allowed
        inside = np.zeros(call.queries.size, dtype=bool)
        inside[slice(None) if call.real is None else call.real] = True
        real[mine, :n_queries] = inside.reshape(call.queries.shape)
    pairs = sum(call.pairs for call in calls)
    return Call(queries, keys, values, allowed, pairs, np.flatnonzero(real))


def _stack(tables: Sequence[Ints]) -> Ints:
    """Tables below one another, each made as wide as the widest with its last column."""
    width = max(table.shape[1] for table in tables)
    return np.concatenate(
        [np.pad(table, ((0, 0), (0, width - table.shape[1])), "edge") for table in tables]
    )
