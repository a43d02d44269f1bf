"""The closing table and the last lines of a run, as text."""

from __future__ import annotations

from typing import Any

from tabulate import tabulate

from replications.judging.ledger import Ledger
from replications.judging.row import Row
from replications.report import board
from replications.report.text import clip, published, short, span

HEADERS = ("claim", "published", "measured", "margin", "control", "verdict", "others")
_BELOW = "└ "
_WIDTHS = (46, 16, 28, 10, 22)


def table(ledger: Ledger, *, verbose: bool = False) -> str:
    """One line for each claim; if `verbose`, followed by one for each of its subjects."""
    rows = []
    for line in board.lines(ledger):
        rows.append(_cells(line.id, line, line.shown, verdict(line), line.replicates))
        if verbose:
            rows += [_cells(f"{_BELOW}{r.subject}", line, r, r.status, "") for r in _ordered(line)]
    return tabulate(rows, headers=HEADERS, disable_numparse=True)


def _ordered(line: board.Line) -> tuple[Row, ...]:
    return line.gating + line.others


def _cells(
    name: str, line: board.Line, row: Row | None, verdict: str, others: str
) -> tuple[str, ...]:
    facts = (
        name,
        published(line.entry["published"]) if not name.startswith(_BELOW) else "",
        _measured(name, line, row),
        margin(row),
        control(row),
    )
    clipped = (clip(text, width) for text, width in zip(facts, _WIDTHS, strict=True))
    return (*clipped, verdict, others)


def _measured(name: str, line: board.Line, row: Row | None) -> str:
    """The value of one row; for a claim that several subjects stand for, the tally."""
    if line.several and not name.startswith(_BELOW):
        return tally(line)
    return short(row.measured, line.entry["parts"]) if row else "–"


def tally(line: board.Line) -> str:
    """The share of subjects in which a finding replicates, and its range: "5/5: 0.97 … 1"."""
    values = span([row.measured for row in line.main], line.entry["parts"])
    return f"{line.holding}/{len(line.main)}: {values}"


def margin(row: Row | None) -> str:
    """The margin with its sign, to three digits."""
    return "–" if row is None or row.margin is None else f"{row.margin:+.3g}"


def verdict(line: board.Line) -> str:
    """The verdict with the kind of subject that it is about, where that is not the first one."""
    row = line.shown
    borrowed = row is not None and line.gating and row.subject not in line.entry["gating"]
    return f"{line.verdict} ({row.kind})" if row is not None and borrowed else line.verdict


def control(row: Row | None) -> str:
    """The value of the control, or the list of the values of several."""
    if row is None or row.holds is None:
        return "–"
    if row.controls is None:
        return "not run"
    values = [result.measured for result in row.controls]
    return short(values[0] if len(values) == 1 else values) if values else "none"


def last_lines(ledger: Ledger, *, require_all: bool = False) -> list[str]:
    """What was not run or not reached and how to, what changed, then the count of each status."""
    said = _not_run(ledger)
    said += [
        f"{missing.status}: {missing.subjects} (rows: {missing.rows}): {missing.reason}"
        for missing in board.not_reached(ledger)
    ]
    moved = [row for row in ledger.rows if row.status == "changed"]
    said += [f"changed: {row.claim} on {row.subject}: {row.reason}" for row in moved]
    counted = f"claims: {board.counts(ledger.rows)}; {board.controls(ledger.rows)}"
    return [*said, counted + _unreached(ledger, require_all)]


def _not_run(ledger: Ledger) -> list[str]:
    said = [f"lost: {row.claim} on {row.subject}: {row.reason}" for row in board.lost(ledger)]
    if said:
        said.append("lost rows: run again with --resume LEDGER to measure these alone")
    left_out = board.left_out(ledger)
    if left_out:
        subjects = ", ".join(dict.fromkeys(board.subject_of(row) for row in left_out))
        said.append(
            f"left out: {len(left_out)} rows, costly claims on further models of their groups "
            f"({subjects}); --thorough measures them too"
        )
    return said


def _unreached(ledger: Ledger, require_all: bool) -> str:
    unreached: list[Any] = [r for r in ledger.rows if r.status in board.NOT_REACHED]
    text = ""
    if unreached:
        subjects = ", ".join(dict.fromkeys(board.subject_of(r) for r in unreached))
        text = f"; NOT REACHED: {subjects}, rows: {len(unreached)}, remedy above"
        text += " (--require-all: this run fails)" if require_all else ""
    lost = len(board.lost(ledger))
    return text + (f"; {lost} rows were LOST" if lost else "")
