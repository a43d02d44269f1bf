"""The first screen: do the findings hold here, what failed, and what was not reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from replications.judging.ledger import Ledger
from replications.judging.verdict import GATING_FAILURES, Row
from replications.report import board, claims_md
from replications.report.board import Counted, NotReached
from replications.report.closing import missed

_SAID = {  # for one row, for several
    "fail": ("does not hold", "do not hold"),
    "vacuous": ("is vacuous", "are vacuous"),
    "error": ("could not be measured",) * 2,
}


@dataclass(frozen=True)
class Failure:
    """One row that fails a run, or a claim that holds in too few subjects.

    `subject` and `kind` are empty for the latter.
    """

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
    environment: str


def answer(ledger: Ledger) -> Answer:
    """The first screen of a ledger."""
    failures = _failures(ledger)
    passed = sum(row.status == "pass" for row in ledger.rows)
    decided = passed + sum(row.status in GATING_FAILURES for row in ledger.rows)
    outcome = "fails" if failures else "holds" if decided else "nothing"
    return Answer(
        outcome=outcome,
        headline=_headline(outcome, passed, decided, failures),
        more=tuple(_more(ledger)),
        counted=tuple(board.by_kind(ledger)),
        failures=failures,
        not_reached=tuple(board.not_reached(ledger)),
        environment=claims_md.environment(ledger),
    )


def _headline(outcome: str, passed: int, decided: int, failures: Sequence[Failure]) -> str:
    if outcome == "nothing":
        return "No gating row was measured, so this run cannot say whether the findings hold."
    if outcome == "holds":
        return f"Every gating finding holds: {passed} of {decided} rows pass."
    found = Counter(f.status for f in failures if f.subject)
    said = [f"{passed} of {decided} rows pass"]
    said += [f"{n} {_SAID[s][n > 1]}" for s in GATING_FAILURES if (n := found[s])]
    few = sum(not f.subject for f in failures)
    said += [f"{few} {_claims(few)} in too few subjects"] if few else []
    return f"Not every gating finding holds: {', '.join(said)}."


def _claims(number: int) -> str:
    return "claim holds" if number == 1 else "claims hold"


def _more(ledger: Ledger) -> list[str]:
    """What a reader must know besides the headline, in sentences."""
    unreached = [row for row in ledger.rows if row.status in board.NOT_REACHED]
    said = []
    if unreached:
        names = ", ".join(dict.fromkeys(board.subject_of(row) for row in unreached))
        said.append(f"{_rows(unreached)} of {names} {_were(unreached)} not reached.")
    few = {line.id for line in board.lines(ledger) if line.missed}
    excused = [row for row in ledger.rows if row.excuse and row.claim not in few]
    if excused:
        claims = len({row.claim for row in excused})
        said.append(
            f"In {_rows(excused)} of gating subjects a finding does not hold and need not: "
            f"{claims} {'claims have' if claims > 1 else 'claim has'} to hold in some of these "
            "subjects only."
        )
    others = [r for r in ledger.rows if r.status == "observed" and not r.excuse]
    if others:
        hold = sum(row.replicates for row in others)
        said.append(f"Of {_rows(others)} that do not gate, the finding holds in {hold}.")
    said.append(_sentence(board.controls(ledger.rows)))
    return said


def _rows(rows: Sequence[Row]) -> str:
    return f"{len(rows)} {'row' if len(rows) == 1 else 'rows'}"


def _were(rows: Sequence[Row]) -> str:
    return "was" if len(rows) == 1 else "were"


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _failures(ledger: Ledger) -> tuple[Failure, ...]:
    rows = [
        Failure(row.status, row.claim, row.subject, row.kind, row.reason)
        for row in ledger.rows
        if row.status in GATING_FAILURES
    ]
    short = [line for line in board.lines(ledger) if line.missed]
    few = [Failure("fail", x.id, "", "", missed(x).removeprefix(f"fail: {x.id} ")) for x in short]
    return (*rows, *few)
