"""Tables that set several claims side by side, with a row for each subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from replications.judging.ledger import Ledger
from replications.judging.row import Row
from replications.report.text import short

TABLES: Mapping[str, tuple[str, ...]] = {
    "Self-repair": (
        "ioi/self-repair",
        "ioi/conditions-for-repair",
        "ioi/no-repair-without-loss",
        "ioi/repair-with-certain-answers",
        "ioi/repair-with-zeros",
        "ioi/repair-when-lost-everywhere",
        "ioi/narrow-heads-hardly-repair",
        "ioi/ordinary-dropout-is-not-enough",
    ),
}
"""Title of a table → the claims it sets side by side, all of one system."""


@dataclass(frozen=True)
class Cell:
    """The measured value of a claim on a subject; `holds` is None if it was not judged there."""

    value: str
    holds: bool | None
    replicates: bool = False


@dataclass(frozen=True)
class SubjectCells:
    """One subject with a cell for each claim of a table."""

    subject: str
    kind: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """One table: its claims as (id, sentence), and its subjects."""

    title: str
    claims: tuple[tuple[str, str], ...]
    subjects: tuple[SubjectCells, ...]


def tables(system: str, ledger: Ledger) -> tuple[Table, ...]:
    """The tables of one system whose claims were judged on some subject."""
    found = []
    for title, names in TABLES.items():
        claims = [n for n in names if n in ledger.claims and ledger.claims[n]["system"] == system]
        rows = [row for row in ledger.rows if row.claim in claims and row.holds is not None]
        if rows:
            found.append(_table(title, claims, rows, ledger.claims))
    return tuple(found)


def _table(
    title: str, names: Sequence[str], rows: Sequence[Row], entries: Mapping[str, Mapping[str, Any]]
) -> Table:
    by_place = {(row.subject, row.claim): row for row in rows}
    subjects = [
        SubjectCells(
            subject,
            kind,
            tuple(_cell(by_place.get((subject, n)), entries[n]["parts"]) for n in names),
        )
        for subject, kind in dict.fromkeys((row.subject, row.kind) for row in rows)
    ]
    return Table(title, tuple((n, entries[n]["says"]) for n in names), tuple(subjects))


def _cell(row: Row | None, parts: list[str] | None) -> Cell:
    return (
        Cell("", None)
        if row is None
        else Cell(short(row.measured, parts), row.holds, row.replicates)
    )
