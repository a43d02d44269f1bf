"""The plan of one pass through the layers: which row of which matrix goes where.

All runs go through the layers together, as rows of one residual stream: the base run, the source
run from the first different token on, and every patched run from the layer on in which it is
patched. A patched run begins as its patched rows alone; at other positions it uses rows of the base
run, until the next attention mixes the patch into them. Rows of earlier positions are never
computed again: keys and values there are looked up among those of the base run.

Attention of single heads numbers its rows by row and head at once. A *head row* is row * n_heads +
head: with three heads, head 2 of row 4 is head row 14, row 14 of a matrix [(row head) d_head].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from replications.models.shape import Shape
from replications.patching._engine.attention_batches import (
    Array,
    AttentionBatch,
    Mask,
    merge,
    side_by_side,
)
from replications.patching._engine.problem import (
    ALL,
    Ints,
    Kind,
    PatchedRuns,
    PatchTable,
    PromptPairs,
)
from replications.patching._engine.row_table import EnteringRows, RowTable, RunGroup
from replications.patching._engine.steps import NONE, LayerStep, Plan

_IN_ATTENTION = (Kind.Z, Kind.Q, Kind.K, Kind.V, Kind.PATTERN)


class Planner:
    """Makes the plan of one chunk, in which examples are numbered from 0.

    `one_call` puts all attention of a layer into one batch, for devices where launches cost most.
    """

    def __init__(
        self,
        prompts: PromptPairs,
        patches: PatchTable,
        runs: PatchedRuns,
        shape: Shape,
        *,
        one_call: bool,
    ) -> None:
        self._prompts = prompts
        self._table = RowTable(prompts, patches, runs)
        self._n_layers, self._n_heads = shape.n_layers, shape.n_heads
        self._shape = shape
        self._one_call = one_call
        self._seen = [tokens != prompts.pad for tokens in (prompts.base, prompts.source)]
        """Whether a key is no padding, in the base prompts and in the source prompts."""

    def plan(self) -> Plan[Array]:
        table = self._table
        tokens, positions = table.begin()
        copied, _ = self._between_layers(0)
        steps = [self._layer(layer) for layer in range(self._n_layers)]
        tables = table.patched(), table.base, table.source
        if not self._prompts.whole:
            at = self._prompts.at[:, None]
            where = at[table.runs.example], at, at
            tables = tuple(  # type: ignore[assignment]
                np.take_along_axis(rows, at, 1) for rows, at in zip(tables, where, strict=True)
            )
        return Plan[Array](tokens, positions, copied, steps, *tables)

    # ---------------------------------------------------------------- one layer
    def _layer(self, layer: int) -> LayerStep[Array]:
        table = self._table
        step = LayerStep[Array](table.positions())
        trim = layer == self._n_layers - 1 and not self._prompts.whole
        # Rows that enter the layer; after attention rows are numbered anew.
        before = table.base.copy(), table.source
        self._attend(step, layer, before[0], trim)
        self._enter_attention(step, layer, before)
        if self._shape.parallel:
            step.mlp_reads, step.mlp_of = np.unique(step.residual, return_inverse=True)
        step.mid = _rows_at(table.source, table.enter(2 * layer + 1, Kind.RESID_MID))
        step.copied, step.mlp = self._between_layers(layer + 1)
        if trim:
            _number_queries(step, self._n_heads)
        if self._one_call:
            step.batches, step.unpatched_batches = [merge(step.batches)], 1
            if step.head_batches:
                calls, places = zip(*step.head_batches, strict=True)
                into = np.concatenate([part.ravel() for part in places])
                step.head_batches = [(merge(calls), into)]
        return step

    def _between_layers(self, boundary: int) -> tuple[Ints, tuple[Ints, Ints]]:
        """Patches of the stream: rows to copy, and rows to start from with mlp_out rows to add."""
        copied = self._table.enter(2 * boundary, Kind.RESID)
        mlp = self._table.enter(2 * boundary, Kind.MLP_OUT)
        base, source = self._table.base, self._table.source
        return _rows_at(source, copied), (_rows_at(base, mlp), _rows_at(source, mlp))

    # ---------------------------------------------------------------- attention of all runs
    def _attend(self, step: LayerStep[Array], layer: int, base: Ints, trim: bool) -> None:
        """Attention of every run; with `trim` (the last layer), at the metric's position alone."""
        table, residual = self._table, []
        groups = table.all_groups()
        for group in groups:
            group.sort()
        before = [group.own for group in groups]
        table.settle(trim=trim)
        for group, own in zip(groups, before, strict=True):
            columns, queries = table.columns(group), own
            if trim:
                queries = np.take_along_axis(own, columns - group.start, 1)
            prefix = base[group.example, : group.start]
            allowed = self._allowed(layer, group.example, columns, group.stop, source=group.source)
            pairs = len(own) * self._pairs(columns, group.stop)
            step.batches.append(side_by_side(group.example, queries, prefix, own, allowed, pairs))
            residual.append(queries.ravel())
        step.unpatched_batches = len(table.unpatched)
        step.residual = np.concatenate(residual)

    def _pairs(self, columns: Ints, n_keys: int) -> int:
        """Pairs of a query and a key that causality lets it see, in one run."""
        n_queries: int = columns.shape[1]
        if self._prompts.causal:
            # Causal runs of one window have their queries at the same positions.
            return int(columns[0].sum()) + n_queries
        return n_queries * n_keys

    def _allowed(
        self, layer: int, example: Ints, columns: Ints, n_keys: int, *, source: bool
    ) -> Mask | None:
        """Which keys a query may see: bool [run|1 query|1 key], or None for all."""
        window = self._shape.window(layer)
        found = np.ones((1, 1, n_keys), dtype=bool)
        if self._prompts.causal:
            found = np.arange(n_keys) <= columns[:1, :, None]
        if window is not None:
            found = found & (np.arange(n_keys) > columns[:1, :, None] - window)
        if self._prompts.pad is not None:
            found = found & self._seen[int(source)][example, None, :n_keys]
        return None if found.all() else found

    # ---------------------------------------------------------------- patches inside attention
    def _enter_attention(
        self, step: LayerStep[Array], layer: int, before: tuple[Ints, Ints]
    ) -> None:
        """Rows that enter as z of the base run with some heads changed."""
        table, swaps = self._table, []
        first = table.n_rows
        entering = table.enter(2 * layer + 1, *_IN_ATTENTION)
        step.changed = _rows_at(table.base, entering)
        step.residual = np.concatenate([step.residual, _rows_at(before[0], entering)])
        for each in entering:
            # One entry for each run and head.
            run, head = self._heads(each.group)
            rows = (each.rows - first)[run]
            if table.kind[each.group.run[0]] == Kind.Z:
                others = table.source[each.group.example[:, None], each.positions][run]
                swaps.append((rows, np.broadcast_to(head[:, None], rows.shape), others))
            else:
                batch = self._head_batch(layer, each, run, head, before)
                step.head_batches.append((batch, rows * self._n_heads + head[:, None]))
        if swaps:
            into, heads, others = (
                np.concatenate([part.ravel() for part in parts])
                for parts in zip(*swaps, strict=True)
            )
            step.swap = into, heads, others

    def _heads(self, group: RunGroup) -> tuple[Ints, Ints]:
        """For each run of the group and each head it patches: the run's index, and the head."""
        head = self._table.patches.head[self._table.runs.patch[group.run]][:, None]
        run, found = np.nonzero((head == ALL) | (head == np.arange(self._n_heads)))
        return run, found

    def _head_batch(
        self,
        layer: int,
        entering: EnteringRows,
        run: Ints,
        head: Ints,
        before: tuple[Ints, Ints],
    ) -> AttentionBatch[Array]:
        """Attention of single heads, with queries, keys or values of the source run where patched.

        A patched pattern is that of the source run's queries and keys, over the base run's values.
        """
        group, columns = entering.group, entering.positions
        kind, n_keys = self._table.kind[group.run[0]], group.stop
        source_queries = kind in (Kind.Q, Kind.PATTERN)
        queries = before[int(source_queries)][group.example[:, None], columns]
        mine, theirs = (table[group.example, :n_keys] for table in before)
        pos = self._table.patches.pos[self._table.runs.patch[group.run]][:, None]
        patched = np.where((pos == ALL) | (pos == np.arange(n_keys)), theirs, mine)
        keys = {Kind.PATTERN: theirs, Kind.K: patched}.get(kind, mine)
        values = patched if kind == Kind.V else mine
        allowed = self._allowed(layer, group.example, columns, n_keys, source=kind == Kind.PATTERN)
        if allowed is not None and len(allowed) > 1:
            allowed = allowed[run]
        queries, keys, values = (
            table[run] * self._n_heads + head[:, None] for table in (queries, keys, values)
        )
        return AttentionBatch[Array](
            queries, keys, values, allowed, len(run) * self._pairs(columns, n_keys)
        )


def _rows_at(rows: Ints, entering: Sequence[EnteringRows]) -> Ints:
    """Rows of an unpatched run, given as [example position], where other rows enter: laid flat."""
    found = [rows[each.group.example[:, None], each.positions].ravel() for each in entering]
    return np.concatenate([NONE, *found])


def _number_queries(step: LayerStep[Array], n_heads: int) -> None:
    """Compute queries only where some batch reads them, and number them in that selection.

    With two heads, a batch of all heads that reads row 7, and a batch of single heads that reads
    head 1 of row 3: rows 3 and 7 are computed, and become rows 0 and 1. Head row 7 (3 * 2 + 1)
    becomes head row 1 (0 * 2 + 1):

    >>> whole, single = (AttentionBatch(np.array([[row]]), NONE, NONE, None, 1) for row in (7, 7))
    >>> step = LayerStep(NONE, batches=[whole], head_batches=[(single, NONE)])
    >>> _number_queries(step, n_heads=2)
    >>> step.query_rows.tolist(), step.batches[0].queries, step.head_batches[0][0].queries
    ([3, 7], array([[1]]), array([[1]]))
    """
    batches = [*step.batches, *(batch for batch, _ in step.head_batches)]
    # A row of a batch of all heads is a head row of a model with one head.
    heads = [1] * len(step.batches) + [n_heads] * len(step.head_batches)
    rows = [(batch.queries // n).ravel() for batch, n in zip(batches, heads, strict=True)]
    step.query_rows, numbers = np.unique(np.concatenate(rows), return_inverse=True)
    ends = np.cumsum([len(part) for part in rows])[:-1]
    found = [
        replace(batch, queries=number.reshape(batch.queries.shape) * n + batch.queries % n)
        for batch, n, number in zip(batches, heads, np.split(numbers, ends), strict=True)
    ]
    step.batches = found[: len(step.batches)]
    places = [into for _, into in step.head_batches]
    step.head_batches = list(zip(found[len(step.batches) :], places, strict=True))
