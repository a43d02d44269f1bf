"""The plan of one pass through the layers: which row of which matrix goes where.

All runs go through the layers together, as rows of one residual stream: the receiver's run, the
donor's run from the first different token on, and every patched run from the layer on in which it
is patched. A patched run begins as its patched rows alone; its other rows are the receiver's until
the next attention mixes the patch into them. Rows of earlier positions are never computed again:
keys and values there are looked up among the receiver's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from replications.patching._engine.attention_batches import Call, Mask, merge, side_by_side
from replications.patching._engine.problem import ALL, Ints, Kind, Runs, Sites, Texts
from replications.patching._engine.row_table import Book, Entering, Group
from replications.patching._engine.steps import NONE, Plan, Step

_IN_ATTENTION = (Kind.Z, Kind.Q, Kind.K, Kind.V, Kind.PATTERN)


class Planner:
    """Makes the plan of one chunk; `texts` and `runs.example` count the chunk's own examples.

    `one_call` puts all attention of a layer into one call, for devices where launches cost most.
    """

    def __init__(
        self, texts: Texts, table: Sites, runs: Runs, n_layers: int, n_heads: int, *, one_call: bool
    ) -> None:
        self._texts = texts
        self._book = Book(texts, table, runs)
        self._n_layers, self._n_heads = n_layers, n_heads
        self._one_call = one_call
        self._seen = [text != texts.pad for text in (texts.receiver, texts.donor)]
        """Whether a key is no padding, in the receiver's text and the donor's"""

    def plan(self) -> Plan:
        book = self._book
        tokens, positions = book.begin()
        copied, _ = self._between_layers(0)
        steps = [self._layer(layer) for layer in range(self._n_layers)]
        tables = book.rows_of(), book.receiver, book.donor
        if not self._texts.whole:
            at = self._texts.at[:, None]
            where = at[book.runs.example], at, at
            tables = tuple(  # type: ignore[assignment]
                np.take_along_axis(rows, at, 1) for rows, at in zip(tables, where, strict=True)
            )
        return Plan(tokens, positions, copied, steps, *tables)

    # ---------------------------------------------------------------- one layer
    def _layer(self, layer: int) -> Step:
        book = self._book
        step = Step(book.positions())
        trim = layer == self._n_layers - 1 and not self._texts.whole
        # Rows that enter the layer; after attention rows are numbered anew.
        before = book.receiver.copy(), book.donor
        self._attend(step, before[0], trim)
        self._enter_attention(step, layer, before)
        step.mid = _rows(book.donor, book.enter(2 * layer + 1, Kind.RESID_MID))
        step.copied, step.mlp = self._between_layers(layer + 1)
        if trim:
            _ask(step, self._n_heads)
        if self._one_call:
            step.calls, step.base_calls = [merge(step.calls)], 1
            if step.head_calls:
                calls, places = zip(*step.head_calls, strict=True)
                into = np.concatenate([part.ravel() for part in places])
                step.head_calls = [(merge(calls), into)]
        return step

    def _between_layers(self, boundary: int) -> tuple[Ints, tuple[Ints, Ints]]:
        """Patches of the stream: rows to copy; rows to begin as, and whose mlp_out to add."""
        copied = self._book.enter(2 * boundary, Kind.RESID)
        mlp = self._book.enter(2 * boundary, Kind.MLP_OUT)
        receiver, donor = self._book.receiver, self._book.donor
        return _rows(donor, copied), (_rows(receiver, mlp), _rows(donor, mlp))

    # ---------------------------------------------------------------- attention of all runs
    def _attend(self, step: Step, receiver: Ints, trim: bool) -> None:
        """Attention of every run there is, in the last layer at the metric's position alone."""
        book, residual = self._book, []
        groups = book.all_groups()
        for group in groups:
            group.sort()
        before = [group.own for group in groups]
        book.settle(trim=trim)
        for group, own in zip(groups, before, strict=True):
            columns, queries = book.columns(group), own
            if trim:
                queries = np.take_along_axis(own, columns - group.start, 1)
            prefix = receiver[group.example, : group.start]
            allowed = self._allowed(group.example, columns, group.stop, donor=group.donor)
            pairs = len(own) * self._pairs(columns, group.stop)
            step.calls.append(side_by_side(group.example, queries, prefix, own, allowed, pairs))
            residual.append(queries.ravel())
        step.base_calls = len(book.bases)
        step.residual = np.concatenate(residual)

    def _pairs(self, columns: Ints, n_keys: int) -> int:
        """Pairs of a query and a key that causality lets it see, in one run."""
        if self._texts.causal:
            # Causal runs of one window have their queries at the same positions.
            return int(columns[0].sum()) + columns.shape[1]
        return columns.shape[1] * n_keys

    def _allowed(self, example: Ints, columns: Ints, n_keys: int, *, donor: bool) -> Mask | None:
        """Which keys a query may see: bool [run|1 query|1 key], or None for all."""
        found = np.ones((1, 1, n_keys), dtype=bool)
        if self._texts.causal:
            found = np.arange(n_keys) <= columns[:1, :, None]
        if self._texts.pad is not None:
            found = found & self._seen[int(donor)][example, None, :n_keys]
        return None if found.all() else found

    # ---------------------------------------------------------------- patches inside attention
    def _enter_attention(self, step: Step, layer: int, before: tuple[Ints, Ints]) -> None:
        """Entering rows of z, the receiver's with some heads changed."""
        book, swaps = self._book, []
        first = book.n_rows
        entering = book.enter(2 * layer + 1, *_IN_ATTENTION)
        step.changed = _rows(book.receiver, entering)
        step.residual = np.concatenate([step.residual, _rows(before[0], entering)])
        for each in entering:
            # One entry for each run and head.
            run, head = self._heads(each.group)
            rows = (each.rows - first)[run]
            if book.kind[each.group.run[0]] == Kind.Z:
                others = book.donor[each.group.example[:, None], each.positions][run]
                swaps.append((rows, np.broadcast_to(head[:, None], rows.shape), others))
            else:
                call = self._head_call(each, run, head, before)
                step.head_calls.append((call, rows * self._n_heads + head[:, None]))
        if swaps:
            into, heads, others = (
                np.concatenate([part.ravel() for part in parts])
                for parts in zip(*swaps, strict=True)
            )
            step.swap = into, heads, others

    def _heads(self, group: Group) -> tuple[Ints, Ints]:
        """Pairs of a run of the group, by its place in it, and a head it patches."""
        head = self._book.table.head[self._book.runs.site[group.run]][:, None]
        run, found = np.nonzero((head == ALL) | (head == np.arange(self._n_heads)))
        return run, found

    def _head_call(
        self, entering: Entering, run: Ints, head: Ints, before: tuple[Ints, Ints]
    ) -> Call:
        """Attention of single heads with the donor's queries, keys or values where patched.

        A patched pattern is that of the donor's queries and keys, over the receiver's values.
        """
        group, columns = entering.group, entering.positions
        kind, n_keys = self._book.kind[group.run[0]], group.stop
        donor_queries = kind in (Kind.Q, Kind.PATTERN)
        queries = before[int(donor_queries)][group.example[:, None], columns]
        mine, theirs = (table[group.example, :n_keys] for table in before)
        pos = self._book.table.pos[self._book.runs.site[group.run]][:, None]
        patched = np.where((pos == ALL) | (pos == np.arange(n_keys)), theirs, mine)
        keys = {Kind.PATTERN: theirs, Kind.K: patched}.get(kind, mine)
        values = patched if kind == Kind.V else mine
        allowed = self._allowed(group.example, columns, n_keys, donor=kind == Kind.PATTERN)
        if allowed is not None and len(allowed) > 1:
            allowed = allowed[run]
        queries, keys, values = (
            table[run] * self._n_heads + head[:, None] for table in (queries, keys, values)
        )
        return Call(queries, keys, values, allowed, len(run) * self._pairs(columns, n_keys))


def _rows(table: Ints, entering: Sequence[Entering]) -> Ints:
    """An unpatched run's rows [example position], at the places of entering ones."""
    found = [table[each.group.example[:, None], each.positions].ravel() for each in entering]
    return np.concatenate([NONE, *found])


def _ask(step: Step, n_heads: int) -> None:
    """Compute queries only where they are read; calls count among those."""
    calls = [*step.calls, *(call for call, _ in step.head_calls)]
    # Calls of single heads count row times n_heads plus head.
    heads = [1] * len(step.calls) + [n_heads] * len(step.head_calls)
    rows = [(call.queries // n).ravel() for call, n in zip(calls, heads, strict=True)]
    step.asked, numbers = np.unique(np.concatenate(rows), return_inverse=True)
    ends = np.cumsum([len(part) for part in rows])[:-1]
    found = [
        replace(call, queries=number.reshape(call.queries.shape) * n + call.queries % n)
        for call, n, number in zip(calls, heads, np.split(numbers, ends), strict=True)
    ]
    step.calls = found[: len(step.calls)]
    places = [into for _, into in step.head_calls]
    step.head_calls = list(zip(found[len(step.calls) :], places, strict=True))
