"""Which row of the residual stream is which position of which run, as rows come and go.

An example: prompts of three tokens that differ from position 1 on, the metric read at position 2,
and one patch, resid_pre of layer 0 at position 1.

>>> import torch
>>> from replications.models import sites
>>> from replications.models.shape import Shape
>>> from replications.patching._engine.problem import needed
>>> shape = Shape(n_layers=2, n_heads=2, d_model=4, d_head=2, d_mlp=8, n_ctx=3, d_vocab=9,
...               d_vocab_out=9, act_fn="relu")
>>> base, source = torch.tensor([[5, 6, 7]]), torch.tensor([[5, 0, 1]])
>>> prompts = PromptPairs.of(base, source, torch.tensor([2]), shape, whole=False)
>>> patches = PatchTable.of([sites.RESID_PRE(0).pick(pos=1)], shape, length=3)
>>> table = RowTable(prompts, patches, needed(patches, prompts, n_layers=2))

The base run has rows 0 to 2, of the tokens 0 to 2 of both prompts together. The source run has rows
3 and 4, of tokens 4 and 5, and uses row 0 of the base run, since the prompts agree at position 0:

>>> table.begin()
(array([0, 1, 2, 4, 5]), array([0, 1, 2, 1, 2]))
>>> table.base.tolist(), table.source.tolist()
([[0, 1, 2]], [[0, 3, 4]])

Before layer 0 the patched run enters with one new row, 5, at position 1. Its window goes on to
position 2, where it still is what the base run is, row 2:

>>> [entering] = table.enter(0, Kind.RESID)
>>> entering.positions.tolist(), entering.rows.tolist(), entering.group.own.tolist()
([[1]], [[5]], [[5, 2]])

The attention of layer 0 reads these rows. After it, every run has rows of its own, numbered anew;
those of the patched run are 5 and 6. After the last layer only the metric's row of each is left:

>>> table.settle(trim=False)
>>> table.n_rows, table.groups[1, 3].own.tolist()
(7, [[5, 6]])
>>> table.settle(trim=True)
>>> table.base[0, 2], table.source[0, 2], table.patched()[0, 2]
(np.int64(0), np.int64(1), np.int64(2))
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from replications.patching._engine.problem import Ints, Kind, PatchedRuns, PatchTable, PromptPairs
from replications.patching._engine.steps import NONE


@dataclass
class RunGroup:
    """Runs with one window of positions, and the row of each run at each of these positions.

    Until its first attention a patched run has its patched rows alone; at its other positions it
    uses the rows of the base run.
    """

    start: int
    stop: int
    example: Ints
    """[run]"""
    run: Ints
    """Numbers of the patched runs: [run]; empty for unpatched ones."""
    own: Ints
    """Rows: [run position]"""
    source: bool = False
    """Whether these are runs of source prompts."""

    def sort(self) -> None:
        """Order the runs by example, as attention batches need them."""
        if (self.example[1:] >= self.example[:-1]).all():
            return
        order = np.argsort(self.example, kind="stable")
        self.example, self.run, self.own = (
            part[order] for part in (self.example, self.run, self.own)
        )

    def add(self, other: RunGroup) -> None:
        """Add more runs with the same window."""
        self.example, self.run, self.own = (
            np.concatenate(parts)
            for parts in (
                (self.example, other.example), (self.run, other.run), (self.own, other.own)
            )
        )  # fmt: skip


@dataclass(frozen=True)
class EnteringRows:
    """Patched runs that begin, with rows of their own at some positions: both [run row]."""

    group: RunGroup
    positions: Ints
    rows: Ints


class RowTable:
    """Rows of all runs of a chunk: those of both unpatched prompts first, then the patched runs.

    Examples are numbered within the chunk.
    """

    def __init__(self, prompts: PromptPairs, patches: PatchTable, runs: PatchedRuns) -> None:
        self.prompts, self.patches, self.runs = prompts, patches, runs
        self.kind = patches.kind[runs.patch]
        self.unpatched: list[RunGroup] = []
        """Groups of base runs, by their last position, then of source runs, by window."""
        self.groups: dict[tuple[int, int], RunGroup] = {}
        """Groups of patched runs, by window."""
        self.n_rows = 0
        """How many rows the stream has."""
        self.trimmed = False
        """Whether each run has only the row of the metric's position left."""
        time = patches.time[runs.patch]
        self._by_time = {int(t): np.flatnonzero(time == t) for t in np.unique(time)}
        self._tables = np.full((2, *prompts.base.shape), -1)

    @property
    def base(self) -> Ints:
        """Rows of the base runs, [example position]; -1 where there is none."""
        found: Ints = self._tables[0]
        return found

    @property
    def source(self) -> Ints:
        """Rows of the source runs, and of the base runs before the prompts differ: as `base`."""
        found: Ints = np.where(self._tables[1] < 0, self._tables[0], self._tables[1])
        return found

    def all_groups(self) -> list[RunGroup]:
        """Unpatched groups first."""
        return [*self.unpatched, *self.groups.values()]

    def columns(self, group: RunGroup) -> Ints:
        """The positions of a group's rows, [run|1 position]."""
        if self.trimmed:
            return self.prompts.at[group.example][:, None]
        return np.arange(group.start, group.stop)[None]

    def positions(self) -> Ints:
        """The position of every row."""
        found = np.empty(self.n_rows, dtype=np.int64)
        for group in self.all_groups():
            # A patched run may use a row of the base run: it is at the same position.
            found[group.own] = self.columns(group)
        return found

    def begin(self) -> tuple[Ints, Ints]:
        """Give rows to the unpatched runs; returns where their tokens are, and their positions.

        Tokens are counted through all base prompts, then through all source prompts.
        """
        prompts, tokens = self.prompts, []
        differ = prompts.first < prompts.stop
        pairs = zip(prompts.first[differ].tolist(), prompts.stop[differ].tolist(), strict=True)
        windows = [(0, int(stop), False) for stop in np.unique(prompts.stop)]
        windows += [(start, stop, True) for start, stop in sorted(set(pairs))]
        for start, stop, source in windows:
            mine = (prompts.stop == stop) & ((prompts.first == start) | (not source))
            example = np.flatnonzero(mine)
            own = self._new_rows(len(example), stop - start)
            self.unpatched.append(RunGroup(start, stop, example, NONE, own, source))
            first = (example + source * len(prompts)) * prompts.length
            tokens.append((first[:, None] + np.arange(start, stop)).ravel())
        self._note()
        return np.concatenate(tokens), self.positions()

    def settle(self, *, trim: bool) -> None:
        """After attention every run has rows of its own, in the order of the groups."""
        self.n_rows, self.trimmed = 0, trim
        for group in self.all_groups():
            n_rows = 1 if trim else group.stop - group.start
            group.own = self._new_rows(len(group.example), n_rows)
        self._note()

    def enter(self, time: int, *kinds: Kind) -> list[EnteringRows]:
        """Let the patched runs of these kinds begin that are patched now.

        They get the next rows, and are grouped by kind, window, and whether they begin as one row.
        """
        if time not in self._by_time:
            return []
        mine = self._by_time[time]
        mine = mine[(self.kind[mine][:, None] == np.array(kinds)).any(1)]
        single = self.patches.single[self.runs.patch[mine]]
        columns = self.kind[mine], self.runs.start[mine], self.runs.stop[mine], single
        keys, which = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
        which = which.ravel()
        return [
            self._enter(mine[which == i], start, stop, single=bool(alone))
            for i, (_, start, stop, alone) in enumerate(keys.tolist())
        ]

    def patched(self) -> Ints:
        """Rows of the patched runs, and of their base runs where they have none: [run position]."""
        found = self.base[self.runs.example]
        for group in self.groups.values():
            found[group.run[:, None], self.columns(group)] = group.own
        return found

    # ---------------------------------------------------------------- rows
    def _new_rows(self, n_runs: int, n_rows: int) -> Ints:
        """Take the next rows of the stream: [run row]."""
        rows = self.n_rows + np.arange(n_runs * n_rows).reshape(n_runs, n_rows)
        self.n_rows += n_runs * n_rows
        return rows

    def _note(self) -> None:
        """Write the unpatched runs' rows into their tables."""
        self._tables[:] = -1
        for group in self.unpatched:
            table = self._tables[int(group.source)]
            table[group.example[:, None], self.columns(group)] = group.own

    def _enter(self, runs: Ints, start: int, stop: int, *, single: bool) -> EnteringRows:
        example = self.runs.example[runs]
        if self.trimmed:
            positions = self.prompts.at[example][:, None]
        elif single:
            positions = self.patches.pos[self.runs.patch[runs]][:, None]
        else:
            positions = np.broadcast_to(np.arange(start, stop), (len(runs), stop - start))
        own = rows = self._new_rows(*positions.shape)
        if not self.trimmed:
            own = self.base[example, start:stop]
            np.put_along_axis(own, positions - start, rows, 1)
        group = RunGroup(start, stop, example, runs, own)
        if (start, stop) in self.groups:
            self.groups[start, stop].add(group)
        else:
            self.groups[start, stop] = replace(group)
        return EnteringRows(group, positions, rows)
