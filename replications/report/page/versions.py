"""What moved between the first ledger and each of the others, as the drift command reports it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replications.drift.changes import compare
from replications.judging.ledger import Ledger
from replications.judging.noise import Floor
from replications.report import drift_table


@dataclass(frozen=True)
class Run:
    """One of several ledgers: its versions, its file, and its rows by status for each system."""

    name: str
    file: str
    counted: tuple[str, ...]


@dataclass(frozen=True)
class Moved:
    """One row that moved: its claim, and a text for each column of the drift table."""

    claim: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """The first ledger against another: how their environments differ, and what moved."""

    before: str
    after: str
    environments: tuple[str, ...]
    moved: tuple[Moved, ...]
    last_line: str


@dataclass(frozen=True)
class Versions:
    """All ledgers side by side, and the first against each of the others."""

    systems: tuple[str, ...]
    runs: tuple[Run, ...]
    pairs: tuple[Pair, ...]


def versions(ledgers: Sequence[Ledger], files: Sequence[str]) -> Versions | None:
    """The comparison; None for a single ledger.  BadInput if ledgers cannot be compared."""
    if len(ledgers) < 2:
        return None
    pairs = [
        _pair(ledgers[0], new, files[0], to) for new, to in zip(ledgers[1:], files[1:], strict=True)
    ]
    systems = dict.fromkeys(e["system"] for led in ledgers for e in led.claims.values())
    runs = [
        Run(drift_table.name(ledger), file, tuple(drift_table.counted(ledger, s) for s in systems))
        for ledger, file in zip(ledgers, files, strict=True)
    ]
    return Versions(tuple(systems), tuple(runs), tuple(pairs))


def _pair(old: Ledger, new: Ledger, before: str, after: str) -> Pair:
    floor = Floor()
    changes = compare(old, new, floor)
    moved = [
        Moved(change.old.claim, tuple(drift_table.cells(change)))
        for change in changes
        if change.kind not in drift_table.QUIET
    ]
    told = tuple(drift_table.environments(old, new))
    return Pair(before, after, told, tuple(moved), drift_table.last_line(changes, floor))
