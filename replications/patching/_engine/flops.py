"""The arithmetic of a sweep in closed form, 2 for every multiplication with an addition.

For a window of n positions, of which `pairs` = the sum over its positions of the keys each sees,
and with a = n_heads d_head:

    a layer                n (6 d a + 2 a d + 4 d d_mlp) + 4 a pairs
    the first, one row     6 d a + n (2 a d + 4 d d_mlp) + 4 a pairs      one row is patched so far
    the last               4 d a n + (4 a d + 4 d d_mlp) + 4 a keys       one row is wanted

A patch inside attention begins with its r rows: r (2 a d + 4 d d_mlp), and 4 d_head pairs for each
head whose attention is computed anew. What only moves numbers, LayerNorms, softmax and the
unembedding of other tokens than the answers do not count or do not happen.
"""

from __future__ import annotations

import numpy as np

from replications.models.shape import Shape
from replications.patching._engine.problem import ALL, Ints, Kind, Sites, Texts, needed


def expected(shape: Shape, texts: Texts, table: Sites, n_answers: int = 2) -> int:
    """What one pass computes for these prompts and sites, the two unpatched runs included.

    Without `n_answers`-fold answers, for all logits, if `texts.whole`. A sweep that is computed in
    several chunks repeats some unpatched runs, and counts more.
    """
    runs = needed(table, texts, shape.n_layers)
    cost = _Cost(shape, texts)
    everyone = np.arange(len(texts))
    alive = np.flatnonzero(texts.first < texts.stop)
    zero = np.zeros_like(everyone)
    total = cost.layers(zero, texts.stop, everyone, zero).sum()
    total += cost.layers(texts.first[alive], texts.stop[alive], alive, zero[alive]).sum()
    begins = cost.begins(table, runs.site, runs.example, runs.start, runs.stop)
    total += begins.sum()
    if not texts.whole:
        return int(total) + 2 * shape.d_model * n_answers * (2 * len(texts) + len(runs))
    rows = np.where(_ends_as_one_row(table, shape)[runs.site], 1, runs.stop - runs.start)
    rows = rows.sum() + texts.stop.sum() + (texts.stop - texts.first)[alive].sum()
    return int(total + 2 * shape.d_model * shape.d_vocab_out * rows)


def _ends_as_one_row(table: Sites, shape: Shape) -> Ints:
    """Whether a patch of one row comes after the last attention, and stays one row."""
    found: Ints = table.single & (table.time >= 2 * shape.n_layers - 1)
    return found


class _Cost:
    """Prices for one architecture and one set of prompts; windows are [run]."""

    def __init__(self, shape: Shape, texts: Texts) -> None:
        self._texts = texts
        self._n_layers = shape.n_layers
        self._heads = shape.n_heads
        self._wide = shape.n_heads * shape.d_head
        self._product = 2 * shape.d_model * self._wide
        self._mlp = 4 * shape.d_model * shape.d_mlp
        self._d_head = shape.d_head

    def _pairs(self, start: Ints, stop: Ints) -> Ints:
        if self._texts.causal:
            return (stop * (stop + 1) - start * (start + 1)) // 2
        return (stop - start) * self._texts.length

    def _seen(self, example: Ints) -> Ints:
        """The keys that the metric's position sees."""
        if self._texts.causal:
            return self._texts.at[example] + 1
        return np.full_like(example, self._texts.length)

    def layers(self, start: Ints, stop: Ints, example: Ints, first: Ints) -> Ints:
        """All layers from `first` on, of runs with every row of their window."""
        n, pairs = stop - start, self._pairs(start, stop)
        one = n * (4 * self._product + self._mlp) + 4 * self._wide * pairs
        left = self._n_layers - first
        if self._texts.whole:
            return np.maximum(left, 0) * one
        last = 2 * n * self._product + 2 * self._product + self._mlp
        last = last + 4 * self._wide * self._seen(example)
        return np.where(left > 0, (left - 1) * one + last, 0)

    def begins(self, table: Sites, site: Ints, example: Ints, start: Ints, stop: Ints) -> Ints:
        """Patched runs, from the layer in which they are patched on."""
        time, kind, single = table.time[site], table.kind[site], table.single[site]
        trim = (time == 2 * self._n_layers - 1) & (not self._texts.whole)
        inside = time % 2 == 1
        rows = np.where(single | trim, 1, stop - start)
        # Inside attention: the patched rows' O product and MLP, and heads computed anew.
        begin = inside * rows * (self._product * (kind != Kind.RESID_MID) + self._mlp)
        heads = np.where(table.head[site] == ALL, self._heads, 1)
        anew = np.isin(kind, (Kind.Q, Kind.K, Kind.V, Kind.PATTERN))
        # One row sees the keys up to itself: a window of its own.
        row = np.where(trim, self._texts.at[example], table.pos[site])
        pairs = np.where(single | trim, self._pairs(row, row + 1), self._pairs(start, stop))
        begin = begin + anew * heads * 4 * self._d_head * pairs
        first = (time + 1) // 2
        whole = self.layers(start, stop, example, first)
        return begin + whole - self._saved(first, single, table.pos[site], example, start, stop)

    def _saved(
        self, first: Ints, single: Ints, pos: Ints, example: Ints, start: Ints, stop: Ints
    ) -> Ints:
        """What the first whole layer saves while a run has one row only: q, k and v of the rest."""
        n = stop - start
        layer = 3 * self._product * (n - 1)
        if not self._texts.whole:
            queried_elsewhere = pos != self._texts.at[example]
            last = 2 * self._product * (n - 1) + self._product * queried_elsewhere
            layer = np.where(first == self._n_layers - 1, last, layer)
        return layer * (single & (first < self._n_layers))
