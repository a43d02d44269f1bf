"""The first screen: do the findings hold here, what failed, and what was not reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from replications.judging.ledger import Ledger, NotRun
from replications.judging.row import FAILURES, Row
from replications.report import board, claims_md
from replications.report.board import Counted, NotReached

_SAID = {  # for one row, for several
    "fail": ("does not hold", "do not hold"),
    "changed": ("departs from its record", "depart from their records"),
    "vacuous": ("is vacuous", "are vacuous"),
    "error": ("could not be measured",) * 2,
}


@dataclass(frozen=True)
class Failure:
    """One row that fails a run."""

    status: str
    claim: str
    subject: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Answer:
    """The content of the first screen.  `outcome` is "holds", "fails" or "nothing"."""

    outcome: str
    headline: str
    more: tuple[str, ...]
    counted: tuple[Counted, ...]
    failures: tuple[Failure, ...]
    not_reached: tuple[NotReached, ...]
    not_run: tuple[NotReached, ...]
    environment: str


def answer(ledger: Ledger) -> Answer:
    """The first screen of a ledger."""
    failures = _failures(ledger)
    judged = [row for row in ledger.rows if row.holds is not None]
    lost = board.lost(ledger)
    outcome = "fails" if failures or lost else "holds" if judged else "nothing"
    return Answer(
        outcome=outcome,
        headline=_unfinished(lost) + _headline(judged, failures),
        more=tuple(_more(ledger)),
        counted=tuple(board.by_kind(ledger)),
        failures=failures,
        not_reached=tuple(board.not_reached(ledger)),
        not_run=tuple(board.not_run(ledger)),
        environment=claims_md.environment(ledger),
    )


def _unfinished(lost: Sequence[NotRun]) -> str:
    return f"The run did not finish: {_rows(lost)} {_were(lost)} lost. " if lost else ""


def _headline(judged: Sequence[Row], failures: Sequence[Failure]) -> str:
    if not judged and not failures:
        return "Nothing was measured, so this run cannot say whether the findings hold."
    if not failures:
        return f"Every row is as asserted or as recorded: {_rows(judged)} {_were(judged)} judged."
    found = Counter(f.status for f in failures)
    said = [f"{n} {_SAID[s][n > 1]}" for s in FAILURES if (n := found[s])]
    return (
        f"Not every row is as asserted or recorded: of {_rows(judged)} judged, {', '.join(said)}."
    )


def _more(ledger: Ledger) -> list[str]:
    """What a reader must know besides the headline, in sentences."""
    said = [
        f"Of {_rows(found)} asserted, {sum(r.replicates for r in found)} pass."
        for found in [[r for r in ledger.rows if r.status in ("pass", "fail", "vacuous")]]
        if found
    ]
    others = [r for r in ledger.rows if r.status in ("replicates", "does not replicate")]
    if others:
        hold = sum(row.replicates for row in others)
        said.append(f"Of {_rows(others)} only recorded, the finding replicates in {hold}.")
    unreached = [row for row in ledger.rows if row.status in board.NOT_REACHED]
    if unreached:
        names = ", ".join(dict.fromkeys(board.subject_of(row) for row in unreached))
        said.append(f"{_rows(unreached)} of {names} {_were(unreached)} not reached.")
    left_out = board.left_out(ledger)
    if left_out:
        said.append(f"{_rows(left_out)} {_were(left_out)} left to a thorough run.")
    said.append(_sentence(board.controls(ledger.rows)))
    return said


def _rows(rows: Sequence[object]) -> str:
    return f"{len(rows)} {'row' if len(rows) == 1 else 'rows'}"


def _were(rows: Sequence[object]) -> str:
    return "was" if len(rows) == 1 else "were"


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _failures(ledger: Ledger) -> tuple[Failure, ...]:
    return tuple(
        Failure(row.status, row.claim, row.subject, row.kind, row.reason)
        for row in ledger.rows
        if row.status in FAILURES
    )
