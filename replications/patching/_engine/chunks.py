"""Patched runs divided into parts that fit in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from replications.patching._engine.problem import Ints, PatchedRuns


@dataclass(frozen=True)
class Sizes:
    """How many numbers (elements, not bytes) are held at a time."""

    run: Ints
    """For each patched run"""
    unpatched: Ints
    """For both unpatched runs of each example"""


def by_example(
    runs: PatchedRuns, sizes: Sizes, budget: float
) -> Iterator[tuple[Ints, PatchedRuns]]:
    """Examples and runs that are computed together, in chunks of about `budget` numbers.

    The unpatched runs of an example come with its first patched run, and are repeated in every
    further chunk with runs of it. Runs are ordered by example, so that this is rare. Every example
    comes up at least once.

    Three runs of 4 numbers, patches 0 and 1 in example 0 and patch 1 in example 1. The chunks break
    within example 0, whose unpatched runs are computed twice:

    >>> runs = PatchedRuns(np.array([0, 1, 1]), np.array([0, 0, 1]), *np.zeros((2, 3), int))
    >>> sizes = Sizes(run=np.array([4, 4, 4]), unpatched=np.array([2, 2]))
    >>> [(e.tolist(), r.patch.tolist()) for e, r in by_example(runs, sizes, budget=10)]
    [([0], [0]), ([0, 1], [1, 1])]
    """
    n_examples = len(sizes.unpatched)
    example = np.concatenate([np.arange(n_examples), runs.example])
    order = np.argsort(example, kind="stable")
    part = np.empty_like(example)
    part[order] = _parts(np.concatenate([sizes.unpatched, sizes.run])[order], budget)
    for i in range(part.max() + 1):
        mine = np.flatnonzero(part == i)
        examples = np.unique(example[mine])
        yield examples, runs.take(mine[mine >= n_examples] - n_examples)


def by_patch(runs: PatchedRuns, sizes: Sizes, budget: float) -> Iterator[tuple[Ints, PatchedRuns]]:
    """Like `by_example`, but with all runs of a patch in one chunk, which has all the examples.

    >>> runs = PatchedRuns(np.array([0, 1, 1]), np.array([0, 0, 1]), *np.zeros((2, 3), int))
    >>> sizes = Sizes(run=np.array([4, 4, 4]), unpatched=np.array([2, 2]))
    >>> [(e.tolist(), r.patch.tolist()) for e, r in by_patch(runs, sizes, budget=10)]
    [([0, 1], [0]), ([0, 1], [1, 1])]
    """
    # Entry 0 is for the unpatched runs, which must be computed even if there is no patched one.
    per_patch = np.bincount(runs.patch + 1, sizes.run, minlength=1)
    per_patch[0] = sizes.unpatched.sum()
    part = _parts(per_patch, budget)[runs.patch + 1]
    for i in range(part.max(initial=0) + 1):
        yield np.arange(len(sizes.unpatched)), runs.take(np.flatnonzero(part == i))


def _parts(sizes: Ints, budget: float) -> Ints:
    """The number of each item's part; parts are runs of items, all of nearly one size.

    An item belongs to the part in which its middle lies. Sizes 3, 3, 2, 4 have their middles at
    1.5, 4.5, 7 and 10 of 12; parts of at most 6 are two, from 0 to 6 and from 6 to 12:

    >>> _parts(np.array([3, 3, 2, 4]), budget=6).tolist()
    [0, 0, 1, 1]
    """
    total = sizes.cumsum()
    n_parts = max(1, int(np.ceil(total[-1] / budget)))
    middles = total - sizes / 2
    found: Ints = np.minimum((middles / total[-1] * n_parts).astype(np.int64), n_parts - 1)
    return np.unique(found, return_inverse=True)[1]
