"""The arithmetic of a sweep in closed form, 2 for every multiplication with an addition.

Let d be d_model and a = n_heads d_head. A product of one row with a matrix [m n] costs 2 m n, so

    q, k, v      3 * 2 d a = 6 d a       for each row
    O            2 a d                   for each row of z
    the MLP      2 * 2 d d_mlp           for each row
    attention    2 * 2 a                 for each pair of a query and a key that it sees: one
                                         product for the score, one for the sum over values

Where heads share keys and values, k and v cost less; gated neurons cost a third product. A window
of keys saves nothing here, since the products with the keys outside are computed and masked. An MLP
that reads what attention reads costs nothing for rows that hold there what the base run holds.

For a window of n positions, with `pairs` = the sum over its positions of the keys that each sees:

    a layer with all rows of the window       n (6 d a + 2 a d + 4 d d_mlp) + 4 a pairs
    the same, with one row patched so far     6 d a + n (2 a d + 4 d d_mlp) + 4 a pairs
    the last layer, with one row wanted       n (4 d a) + (4 a d + 4 d d_mlp) + 4 a keys

A run with one patched row uses q, k and v of the base run at its other positions, which are equal
so far; its attention mixes the patch into all of them. The last layer needs keys and values at
every position, but one query, which sees `keys` keys, one row of O and one of the MLP.

A patch inside attention begins after the attention of its layer, with the r rows it changes:
r (2 a d + 4 d d_mlp), and 4 d_head pairs for each head whose attention is computed anew.

What only moves numbers, LayerNorms and softmax do not count. Of the unembedding, the columns of the
answers do. A run of two layers in numbers, with d = a = 4, d_mlp = 16 and two positions, both
patched (as the base run is), the metric at the second one:

>>> shape = Shape(n_layers=2, n_heads=2, d_model=4, d_head=2, d_mlp=16, n_ctx=2, d_vocab=9,
...               d_vocab_out=9, act_fn="relu")
>>> import torch
>>> tokens = torch.tensor([[5, 6]])
>>> prompts = PromptPairs.of(tokens, tokens, torch.tensor([1]), shape, whole=False)
>>> first = 2 * (6 * 4 * 4 + 2 * 4 * 4 + 4 * 4 * 16) + 4 * 4 * (1 + 2)
>>> last = 2 * (4 * 4 * 4) + (4 * 4 * 4 + 4 * 4 * 16) + 4 * 4 * 2
>>> zero = np.zeros(1, dtype=int)
>>> int(_Cost(shape, prompts).layers(zero, prompts.stop, zero, zero)[0]) == first + last
True
"""

from __future__ import annotations

import numpy as np

from replications.models.shape import Shape
from replications.patching._engine.problem import (
    ALL,
    Ints,
    Kind,
    PatchedRuns,
    PatchTable,
    PromptPairs,
    needed,
)


def expected(shape: Shape, prompts: PromptPairs, patches: PatchTable, n_answers: int = 2) -> int:
    """What one pass computes for these prompts and patches, both unpatched runs included.

    It unembeds `n_answers` answers of each run, or all logits of all rows if `prompts.whole`. A
    sweep that is computed in several chunks repeats some unpatched runs, and counts more.
    """
    runs = needed(patches, prompts, shape.n_layers)
    cost = _Cost(shape, prompts)
    everyone = np.arange(len(prompts))
    alive = np.flatnonzero(prompts.first < prompts.stop)
    zero = np.zeros_like(everyone)
    total = cost.layers(zero, prompts.stop, everyone, zero).sum()
    total += cost.layers(prompts.first[alive], prompts.stop[alive], alive, zero[alive]).sum()
    total += cost.patched(patches, runs).sum()
    if not prompts.whole:
        return int(total) + 2 * shape.d_model * n_answers * (2 * len(prompts) + len(runs))
    stays_one_row = patches.single & (patches.time >= 2 * shape.n_layers - 1)
    rows = np.where(stays_one_row[runs.patch], 1, runs.stop - runs.start).sum()
    rows += prompts.stop.sum() + (prompts.stop - prompts.first)[alive].sum()
    return int(total + 2 * shape.d_model * shape.d_vocab_out * rows)


class _Cost:
    """Prices for one architecture and one set of prompts. All arrays are [run]."""

    def __init__(self, shape: Shape, prompts: PromptPairs) -> None:
        self._prompts = prompts
        self._n_layers = shape.n_layers
        self._n_heads = shape.n_heads
        self._d_head = shape.d_head
        self._width = shape.n_heads * shape.d_head
        self._product = 2 * shape.d_model * self._width
        """One row of q or O."""
        self._keys = 4 * shape.d_model * shape.key_value_heads * shape.d_head
        """One row of k and v."""
        self._mlp = (6 if shape.gated else 4) * shape.d_model * shape.d_mlp
        """One row of the MLP."""
        self._parallel = shape.parallel

    def _pairs(self, start: Ints, stop: Ints) -> Ints:
        """Pairs of a query in the window and a key it sees: 1 + … + stop, less those before."""
        if self._prompts.causal:
            return (stop * (stop + 1) - start * (start + 1)) // 2
        return (stop - start) * self._prompts.length

    def _seen(self, example: Ints) -> Ints:
        """How many keys the metric's position sees."""
        causal, at, length = self._prompts.causal, self._prompts.at, self._prompts.length
        found: Ints = at[example] + 1 if causal else np.full_like(example, length)
        return found

    def layers(self, start: Ints, stop: Ints, example: Ints, first: Ints) -> Ints:
        """All layers from `first` on, for runs with every row of their window."""
        n, pairs = stop - start, self._pairs(start, stop)
        one = n * (2 * self._product + self._keys + self._mlp) + 4 * self._width * pairs
        left = self._n_layers - first
        if self._prompts.whole:
            whole: Ints = np.maximum(left, 0) * one
            return whole
        last = n * self._keys + 2 * self._product + self._mlp
        last = last + 4 * self._width * self._seen(example)
        return np.where(left > 0, (left - 1) * one + last, 0)

    def patched(self, patches: PatchTable, runs: PatchedRuns) -> Ints:
        """Patched runs, from the layer in which they are patched on."""
        # The first layer that a run goes through as a whole.
        first = (patches.time[runs.patch] + 1) // 2
        whole = self.layers(runs.start, runs.stop, runs.example, first)
        return self._inside_attention(patches, runs) + whole - self._saved(patches, runs, first)

    def _inside_attention(self, patches: PatchTable, runs: PatchedRuns) -> Ints:
        """O, MLP and heads computed anew, in the layer of a patch that enters after attention."""
        kind, time, pos = (x[runs.patch] for x in (patches.kind, patches.time, patches.pos))
        trimmed = (time == 2 * self._n_layers - 1) & (not self._prompts.whole)
        one_row = patches.single[runs.patch] | trimmed
        rows = np.where(one_row, 1, runs.stop - runs.start)
        # An MLP that reads what attention reads finds the base run's rows there.
        mlp = 0 if self._parallel else self._mlp
        cost = rows * (self._product * (kind != Kind.RESID_MID) + mlp)
        heads = np.where(patches.head[runs.patch] == ALL, self._n_heads, 1)
        anew = np.isin(kind, (Kind.Q, Kind.K, Kind.V, Kind.PATTERN))
        # One row sees the keys up to itself: a window of its own.
        row = np.where(trimmed, self._prompts.at[runs.example], pos)
        pairs = np.where(one_row, self._pairs(row, row + 1), self._pairs(runs.start, runs.stop))
        found: Ints = (time % 2) * (cost + anew * heads * 4 * self._d_head * pairs)
        return found

    def _saved(self, patches: PatchTable, runs: PatchedRuns, first: Ints) -> Ints:
        """What the first whole layer saves while a run has one row: q, k and v of the others.

        And their MLP, if it reads what attention reads.
        """
        others = runs.stop - runs.start - 1
        row = self._product + (self._mlp if self._parallel else 0)
        layer = (row + self._keys) * others
        if not self._prompts.whole:
            # The last layer has one query. It is the base run's unless its row is the patched one.
            borrowed = patches.pos[runs.patch] != self._prompts.at[runs.example]
            last = self._keys * others + row * borrowed
            layer = np.where(first == self._n_layers - 1, last, layer)
        return layer * (patches.single[runs.patch] & (first < self._n_layers))
