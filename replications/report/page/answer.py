"""The first screen: do the findings hold here, what failed, and what was not reached."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from replications.judging.ledger import Ledger
from replications.judging.verdict import EXCUSED, GATING_FAILURES, Row
from replications.report import board, claims_md
from replications.report.board import Counted
from replications.report.closing import missed

_COMMAND = re.compile(r"python -m replications [^`()]+")
_SAID = {  # of one row, of several
    "fail": ("does not hold", "do not hold"),
    "vacuous": ("is vacuous", "are vacuous"),
    "error": ("could not be measured",) * 2,
}


@dataclass(frozen=True)
class Failure:
    """One row that fails a run; `subject` is empty for a claim that holds in too few subjects."""

    status: str
    claim: str
    subject: str
    kind: str
    reason: str


@dataclass(frozen=True)
class NotReached:
    """Rows that were skipped or unsupported for one reason, and the command that helps."""

    status: str
    subjects: str
    rows: int
    reason: str
    command: str


@dataclass(frozen=True)
class Answer:
    """What the first screen says.  `outcome` is "holds", "fails" or "nothing"."""

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
        not_reached=tuple(_unreached(*facts) for facts in board.not_reached(ledger)),
        environment=claims_md.environment(ledger),
    )


def _headline(outcome: str, passed: int, decided: int, failures: Sequence[Failure]) -> str:
    if outcome == "nothing":
        return "Nothing that gates was measured, so this run says neither yes nor no."
    if outcome == "holds":
        return f"Every finding that gates holds: {passed} of {decided} rows pass."
    found = Counter(f.status for f in failures if f.subject)
    said = [f"{passed} of {decided} rows pass"]
    said += [f"{n} {_SAID[s][n > 1]}" for s in GATING_FAILURES if (n := found[s])]
    few = sum(not f.subject for f in failures)
    said += [f"{few} {_claims(few)} in too few subjects"] if few else []
    return f"Not every finding that gates holds: {', '.join(said)}."


def _claims(number: int) -> str:
    return "claim holds" if number == 1 else "claims hold"


def _more(ledger: Ledger) -> list[str]:
    """What has to be known with the headline, in sentences."""
    unreached = [row for row in ledger.rows if row.status in board.NOT_REACHED]
    said = []
    if unreached:
        names = ", ".join(dict.fromkeys(board.subject_of(row) for row in unreached))
        said.append(f"{_rows(unreached)} of {names} {_were(unreached)} not reached.")
    few = {line.id for line in board.lines(ledger) if line.missed}
    excused = [r for r in ledger.rows if EXCUSED in r.reason and r.claim not in few]
    if excused:
        claims = len({row.claim for row in excused})
        said.append(
            f"In {_rows(excused)} of subjects that gate a finding does not hold and need not: "
            f"{claims} {'claims say' if claims > 1 else 'claim says'} in how many it must."
        )
    others = [r for r in ledger.rows if r.status == "observed" and EXCUSED not in r.reason]
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


def _unreached(status: str, reason: str, subjects: str, rows: int) -> NotReached:
    commands = _COMMAND.findall(reason)
    return NotReached(status, subjects, rows, reason, commands[-1].strip() if commands else "")
