"""The rows of a ledger, gathered claim by claim: the verdict, and in how many subjects it holds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from replications.judging.claim import KINDS
from replications.judging.ledger import LEFT_OUT, LOST, Ledger, NotRun, control_names
from replications.judging.row import FAILURES, STATUSES, Row

NOT_REACHED = ("skip", "unsupported")
_WORST_FIRST = (
    *("error", "fail", "changed", "vacuous"),
    *NOT_REACHED,
    *("does not replicate", "replicates", "pass"),
)


@dataclass(frozen=True)
class Line:
    """One claim of a ledger with its rows: those of the subjects it is first about, and `others`.

    The first are the published models where there are any, or the models trained as the document
    says.  The claim is asserted of them, unless it says that it is asserted of none.
    """

    id: str
    entry: Mapping[str, Any]
    gating: tuple[Row, ...]
    others: tuple[Row, ...]

    @property
    def main(self) -> tuple[Row, ...]:
        """The judged rows that stand for the claim.

        They are those of the subjects it is first about.  Where none of these was judged, they are
        the rows of the other subjects of the kind that comes nearest to the original.
        """
        first = tuple(row for row in self.gating if row.holds is not None)
        if first:
            return first
        judged = [row for row in self.others if row.holds is not None]
        nearest = next((k for k in KINDS if any(r.kind == k for r in judged)), None)
        return tuple(row for row in judged if row.kind == nearest)

    @property
    def shown(self) -> Row | None:
        """The row whose value and margin are shown: the worst of `main`, by status and margin.

        A row that fails ranks before all others.  Where nothing was judged it is a row that was not
        reached, None if there is no row of the subjects that the claim is first about.
        """
        failed = [row for row in (*self.gating, *self.others) if row.status in FAILURES]
        return min(failed or self.main or self.gating, key=_badness, default=None)

    @property
    def holding(self) -> int:
        """The number of rows of `main` in which the finding replicates."""
        return sum(row.replicates for row in self.main)

    @property
    def several(self) -> bool:
        """Whether more than one subject stands for the claim."""
        return len(self.main) > 1

    @property
    def verdict(self) -> str:
        """The worst failure among all rows; else what `main` found.

        Where a finding replicates in some of several subjects, it is "replicates in 3 of 5".
        """
        rows = (*self.gating, *self.others)
        failed = [row.status for row in rows if row.status in FAILURES]
        if failed:
            return min(failed, key=_WORST_FIRST.index)
        if 0 < self.holding < len(self.main):
            return f"replicates in {self.holding} of {len(self.main)}"
        return min((r.status for r in self.main or rows), key=_WORST_FIRST.index)

    @property
    def remaining(self) -> tuple[Row, ...]:
        """The judged rows that are not in `main`."""
        main = {row.subject for row in self.main}
        rows = (*self.gating, *self.others)
        return tuple(r for r in rows if r.holds is not None and r.subject not in main)

    @property
    def replicates(self) -> str:
        """In how many of the remaining subjects it replicates, as "6/8"; "–" if there is none."""
        rows = self.remaining
        return f"{sum(row.replicates for row in rows)}/{len(rows)}" if rows else "–"

    @property
    def groups(self) -> dict[str, list[Row]]:
        """The rows of the other subjects by group."""
        grouped: dict[str, list[Row]] = defaultdict(list)
        for row in self.others:
            grouped[row.group or row.subject.split("/")[0]].append(row)
        return dict(grouped)

    def control_names(self, row: Row) -> str:
        """The names of the controls that the claim has for the subject of `row`."""
        return "; ".join(control_names(self.entry, row.group))


def _badness(row: Row) -> tuple[int, float]:
    """The smaller, the worse: by status if the row fails or was not judged, then by margin."""
    judged = row.holds is not None and row.status not in FAILURES
    place = len(_WORST_FIRST) if judged else _WORST_FIRST.index(row.status)
    without = -inf if row.holds is False else inf
    return place, without if row.margin is None else row.margin


def lines(ledger: Ledger) -> list[Line]:
    """One line per claim that has rows, in claim order."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in ledger.rows:
        rows[row.claim].append(row)
    return [_line(name, entry, rows[name]) for name, entry in ledger.claims.items() if rows[name]]


def _line(name: str, entry: Mapping[str, Any], rows: Sequence[Row]) -> Line:
    gates = set(entry["gating"])
    gating = tuple(r for r in rows if r.subject in gates)
    return Line(name, entry, gating, tuple(r for r in rows if r.subject not in gates))


@dataclass(frozen=True)
class Counted:
    """The rows of one system and one kind of subject, counted by status."""

    system: str
    kind: str
    subjects: int
    statuses: Counter[str]

    @property
    def cells(self) -> list[str]:
        """One text for each of STATUSES, empty for none."""
        return [str(self.statuses[status] or "") for status in STATUSES]


def by_kind(ledger: Ledger) -> list[Counted]:
    """The rows of a ledger counted by system and kind, sorted."""
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in ledger.rows:
        found[row.claim.split("/")[0], row.kind].append(row)
    return [
        Counted(*key, len({row.subject for row in rows}), Counter(row.status for row in rows))
        for key, rows in sorted(found.items())
    ]


@dataclass(frozen=True)
class NotReached:
    """Rows that were not judged for one reason.

    `subjects` reads "system/subject, …", `rows` is their number, and `command` obtains what is
    missing; it is empty where no command does.
    """

    status: str
    subjects: str
    rows: int
    reason: str
    command: str


def lost(ledger: Ledger) -> list[NotRun]:
    """The rows that the run set out to measure and did not."""
    return [entry for entry in ledger.not_run if entry.reason == LOST]


def left_out(ledger: Ledger) -> list[NotRun]:
    """The rows that are left to a thorough run."""
    return [entry for entry in ledger.not_run if entry.reason == LEFT_OUT]


def not_run(ledger: Ledger) -> list[NotReached]:
    """The rows that the run has not, lost ones first."""
    kinds = (
        ("lost", lost(ledger), "pytest claims/ --resume LEDGER"),
        ("left out", left_out(ledger), "pytest claims/ --thorough"),
    )
    return [
        NotReached(status, _subjects(entries), len(entries), entries[0].reason, command)
        for status, entries, command in kinds
        if entries
    ]


def not_reached(ledger: Ledger) -> list[NotReached]:
    """The rows that were skipped or are unsupported, by status and reason."""
    found: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in ledger.rows:
        if row.status in NOT_REACHED:
            found[row.status, row.reason, row.remedy].append(row)
    return [
        NotReached(status, _subjects(rows), len(rows), reason, remedy)
        for (status, reason, remedy), rows in found.items()
    ]


def _subjects(rows: Sequence[Row] | Sequence[NotRun]) -> str:
    return ", ".join(dict.fromkeys(subject_of(row) for row in rows))


def subject_of(row: Row | NotRun) -> str:
    """The subject of a row with its system: "brackets/retrained/seed3"."""
    return f"{row.claim.split('/')[0]}/{row.subject}"


def counts(rows: Sequence[Row]) -> str:
    """Every status with its number of rows: "62 pass, 301 replicates, …, 0 unsupported"."""
    found = Counter(row.status for row in rows)
    return ", ".join(f"{found[status]} {status}" for status in STATUSES)


def controls(rows: Sequence[Row]) -> str:
    """What became of the controls of all judged rows, in words."""
    judged = [row for row in rows if row.holds is not None]
    skipped = sum(row.controls_skipped for row in judged)
    shown_nothing = sum(bool(row.holds) and not row.replicates for row in judged)
    accepted = any(row.control_accepted for row in judged)
    ran = sum(bool(row.controls) for row in judged)
    said = []
    if skipped:
        said.append(f"controls NOT RUN on {skipped} rows")
    if shown_nothing:
        said.append(f"on {shown_nothing} rows the expectation holds and a control shows nothing")
    elif accepted:
        said.append("every control rejected where the expectation holds")
    elif ran:
        said.append("every control rejected" if not skipped else "the others rejected")
    return ", ".join(said) or "no control to run"
