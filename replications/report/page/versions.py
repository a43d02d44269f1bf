"""What moved between the first ledger and each further one, as the drift command tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replications.drift.changes import Floor, compare
from replications.judging.ledger import Ledger
from replications.report import drift


@dataclass(frozen=True)
class Run:
    """One ledger of several: what it was run with, and its rows by status for each system."""

    name: str
    file: str
    counted: tuple[str, ...]


@dataclass(frozen=True)
class Moved:
    """One row that moved: its claim, and a text for each of the headers of the drift table."""

    claim: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """The first ledger against another: what differs around them, what moved, and the count."""

    before: str
    after: str
    environments: tuple[str, ...]
    moved: tuple[Moved, ...]
    last_line: str


@dataclass(frozen=True)
class Versions:
    """All ledgers side by side, and the first against each."""

    systems: tuple[str, ...]
    runs: tuple[Run, ...]
    pairs: tuple[Pair, ...]


def versions(ledgers: Sequence[Ledger], files: Sequence[str]) -> Versions | None:
    """The comparison, None for one ledger.  BadInput if ledgers do not compare."""
    if len(ledgers) < 2:
        return None
    pairs = [
        _pair(ledgers[0], new, files[0], to) for new, to in zip(ledgers[1:], files[1:], strict=True)
    ]
    systems = dict.fromkeys(e["system"] for led in ledgers for e in led.claims.values())
    runs = [
        Run(drift.name(ledger), file, tuple(drift.counted(ledger, s) for s in systems))
        for ledger, file in zip(ledgers, files, strict=True)
    ]
    return Versions(tuple(systems), tuple(runs), tuple(pairs))


def _pair(old: Ledger, new: Ledger, before: str, after: str) -> Pair:
    floor = Floor()
    changes = compare(old, new, floor)
    moved = [
        Moved(change.old.claim, tuple(drift.cells(change)))
        for change in changes
        if change.kind not in drift.QUIET
    ]
    told = tuple(drift.environments(old, new))
    return Pair(before, after, told, tuple(moved), drift.last_line(changes, floor))
