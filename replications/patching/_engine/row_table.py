"""Which row of the residual stream is which position of which run, as rows come and go."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from replications.patching._engine.problem import Ints, Kind, Runs, Sites, Texts
from replications.patching._engine.steps import NONE


@dataclass
class Group:
    """Runs of one window, and the row of each at each of its positions.

    Until its first attention a patched run has its patched rows alone; the others are then the
    receiver's.
    """

    start: int
    stop: int
    example: Ints
    run: Ints
    own: Ints
    """[run position]"""
    donor: bool = False

    def sort(self) -> None:
        """By example, the order of attention calls."""
        if (self.example[1:] >= self.example[:-1]).all():
            return
        order = np.argsort(self.example, kind="stable")
        self.example, self.run, self.own = (
            part[order] for part in (self.example, self.run, self.own)
        )

    def add(self, other: Group) -> None:
        """Take up more runs of the window."""
        self.example, self.run, self.own = (
            np.concatenate(parts)
            for parts in (
                (self.example, other.example), (self.run, other.run), (self.own, other.own)
            )
        )  # fmt: skip


@dataclass(frozen=True)
class Entering:
    """Runs that begin, with rows of their own at these positions: both [run row]."""

    group: Group
    positions: Ints
    rows: Ints


class Book:
    """Rows of all runs of a chunk: the two unpatched texts first, then the patched runs.

    `texts` and `runs.example` count the chunk's own examples.
    """

    def __init__(self, texts: Texts, table: Sites, runs: Runs) -> None:
        self.texts, self.table, self.runs = texts, table, runs
        self.kind = table.kind[runs.site]
        self.bases: list[Group] = []
        """The receivers' runs by their last position, then the donors' by window"""
        self.groups: dict[tuple[int, int], Group] = {}
        """The patched runs by window"""
        self.n_rows = 0
        self.trimmed = False
        """Whether each run has only the row of the metric's position left"""
        time = table.time[runs.site]
        self._by_time = {int(t): np.flatnonzero(time == t) for t in np.unique(time)}
        self._tables = np.full((2, *texts.receiver.shape), -1)

    @property
    def receiver(self) -> Ints:
        """[example position]: the receiver's rows."""
        return self._tables[0]

    @property
    def donor(self) -> Ints:
        """[example position]: the donor's rows, and the receiver's before the texts differ."""
        return np.where(self._tables[1] < 0, self._tables[0], self._tables[1])

    def all_groups(self) -> list[Group]:
        return [*self.bases, *self.groups.values()]

    def columns(self, group: Group) -> Ints:
        """The positions of a group's rows, [run|1 position]."""
        if self.trimmed:
            return self.texts.at[group.example][:, None]
        return np.arange(group.start, group.stop)[None]

    def positions(self) -> Ints:
        """The position of every row."""
        found = np.empty(self.n_rows, dtype=np.int64)
        for group in self.all_groups():
            # A receiver's row among a run's own is at the same position.
            found[group.own] = self.columns(group)
        return found

    def begin(self) -> tuple[Ints, Ints]:
        """Give rows to the unpatched runs; returns their tokens and positions."""
        texts, tokens = self.texts, []
        differ = texts.first < texts.stop
        pairs = zip(texts.first[differ].tolist(), texts.stop[differ].tolist(), strict=True)
        windows = [(0, int(stop), False) for stop in np.unique(texts.stop)]
        windows += [(start, stop, True) for start, stop in sorted(set(pairs))]
        for start, stop, donor in windows:
            mine = (texts.stop == stop) & ((texts.first == start) | (not donor))
            example = np.flatnonzero(mine)
            own = self._new_rows(len(example), stop - start)
            self.bases.append(Group(start, stop, example, NONE, own, donor))
            tokens.append((texts.donor if donor else texts.receiver)[example, start:stop].ravel())
        self._note()
        return np.concatenate(tokens), self.positions()

    def settle(self, *, trim: bool) -> None:
        """After attention every run has rows of its own, in the order of the groups."""
        self.n_rows, self.trimmed = 0, trim
        for group in self.all_groups():
            n_rows = 1 if trim else group.stop - group.start
            group.own = self._new_rows(len(group.example), n_rows)
        self._note()

    def enter(self, time: int, *kinds: Kind) -> list[Entering]:
        """Runs of these kinds that begin now, by kind and window, with the next rows as theirs."""
        if time not in self._by_time:
            return []
        mine = self._by_time[time]
        mine = mine[(self.kind[mine][:, None] == np.array(kinds)).any(1)]
        # One number for what is equal in each set: kind, window, and whether it begins as one row.
        size = self.texts.length + 1
        single = self.table.single[self.runs.site[mine]]
        parts = self.kind[mine], self.runs.start[mine], self.runs.stop[mine], single
        key = np.ravel_multi_index(parts, (len(Kind), size, size, 2))
        found = []
        for which in np.unique(key):
            runs = mine[key == which]
            _, start, stop, alone = np.unravel_index(which, (len(Kind), size, size, 2))
            found.append(self._enter(runs, int(start), int(stop), bool(alone)))
        return found

    def rows_of(self) -> Ints:
        """[run position]: every patched run's row, or the receiver's where it has none."""
        found = self.receiver[self.runs.example]
        for group in self.groups.values():
            found[group.run[:, None], self.columns(group)] = group.own
        return found

    # ---------------------------------------------------------------- rows
    def _new_rows(self, n_runs: int, n_rows: int) -> Ints:
        """The next rows of the matrix: [run row]."""
        rows = self.n_rows + np.arange(n_runs * n_rows).reshape(n_runs, n_rows)
        self.n_rows += n_runs * n_rows
        return rows

    def _note(self) -> None:
        """Write the unpatched runs' rows into their tables."""
        self._tables[:] = -1
        for group in self.bases:
            table = self._tables[int(group.donor)]
            table[group.example[:, None], self.columns(group)] = group.own

    def _enter(self, runs: Ints, start: int, stop: int, single: bool) -> Entering:
        example = self.runs.example[runs]
        if self.trimmed:
            positions = self.texts.at[example][:, None]
        elif single:
            positions = self.table.pos[self.runs.site[runs]][:, None]
        else:
            positions = np.broadcast_to(np.arange(start, stop), (len(runs), stop - start))
        own = rows = self._new_rows(*positions.shape)
        if not self.trimmed:
            own = self.receiver[example, start:stop]
            np.put_along_axis(own, positions - start, rows, 1)
        group = Group(start, stop, example, runs, own)
        if (start, stop) in self.groups:
            self.groups[start, stop].add(group)
        else:
            self.groups[start, stop] = replace(group)
        return Entering(group, positions, rows)
