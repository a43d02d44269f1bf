"""The rows of a ledger, gathered claim by claim: the verdict, and in how many subjects it holds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from replications.judging.ledger import Ledger, control_names
from replications.judging.verdict import STATUSES, Row

NOT_REACHED = ("skip", "unsupported")
_WORST_FIRST = ("error", "fail", "vacuous", "skip", "unsupported", "pass", "observed")


@dataclass(frozen=True)
class Line:
    """One claim of a ledger with its rows: those of the subjects that gate, and `others`.

    A claim that is only observed has its rows divided likewise, though none of them fails a run.
    """

    id: str
    entry: Mapping[str, Any]
    gating: tuple[Row, ...]
    others: tuple[Row, ...]

    @property
    def shown(self) -> Row | None:
        """The row that stands for the claim: the worst of the gating ones, None if none gates.

        Rows that pass and rows in which a claim need not hold are ranked together, by margin: the
        worst seed is shown also where it is excused.
        """
        return min(self.gating, key=_badness, default=None)

    @property
    def holding(self) -> int:
        """The number of gating subjects in which it holds."""
        return sum(row.replicates for row in self.gating)

    @property
    def judged(self) -> list[Row]:
        """The gating rows that have a value."""
        return [row for row in self.gating if row.holds is not None]

    @property
    def missed(self) -> bool:
        """Whether it holds in fewer gating subjects than it must.

        False as long as one of these subjects was not judged, for then nothing can be said.
        """
        return False

    @property
    def verdict(self) -> str:
        """The worst status of the gating rows, "fail" if the claim holds in too few of them.

        Where no subject gates it is "observed", or "error" if some subject raised one.
        """
        if self.missed:
            return "fail"
        if self.gating:
            return min((row.status for row in self.gating), key=_WORST_FIRST.index)
        return "error" if any(r.status == "error" for r in self.others) else "observed"

    @property
    def replicates(self) -> str:
        """In how many of the judged other subjects it holds, as "6/8"; "–" if none was judged."""
        judged = [r for r in self.others if r.holds is not None]
        return f"{sum(r.replicates for r in judged)}/{len(judged)}" if judged else "–"

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
    place = min(_WORST_FIRST.index(row.status), _WORST_FIRST.index("pass"))
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
    """The rows of one system and one kind of subject, counted by status.

    `holding` is the number of observed rows in which the finding holds.
    """

    system: str
    kind: str
    subjects: int
    statuses: Counter[str]
    holding: int

    @property
    def cells(self) -> list[str]:
        """One text for each of STATUSES, empty for none; that for observed says how many hold."""
        found = {s: str(n) for s, n in self.statuses.items()}
        if "observed" in found:
            found["observed"] += f" ({self.holding} hold)"
        return [found.get(status, "") for status in STATUSES]


def by_kind(ledger: Ledger) -> list[Counted]:
    """The rows of a ledger counted by system and kind, sorted."""
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in ledger.rows:
        found[row.claim.split("/")[0], row.kind].append(row)
    return [_counted(system, kind, rows) for (system, kind), rows in sorted(found.items())]


def _counted(system: str, kind: str, rows: Sequence[Row]) -> Counted:
    holding = sum(row.replicates for row in rows if row.status == "observed")
    subjects = len({row.subject for row in rows})
    return Counted(system, kind, subjects, Counter(row.status for row in rows), holding)


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


def not_reached(ledger: Ledger) -> list[NotReached]:
    """The rows that were skipped or are unsupported, by status and reason."""
    found: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in ledger.rows:
        if row.status in NOT_REACHED:
            found[row.status, row.reason, row.remedy].append(row)
    result = []
    for (status, reason, remedy), rows in found.items():
        subjects = ", ".join(dict.fromkeys(subject_of(row) for row in rows))
        result.append(NotReached(status, subjects, len(rows), reason, remedy))
    return result


def subject_of(row: Row) -> str:
    """The subject of a row with its system: "brackets/retrained/seed3"."""
    return f"{row.claim.split('/')[0]}/{row.subject}"


def counts(rows: Sequence[Row]) -> str:
    """Every status with its number of rows: "62 pass, 0 fail, …, 480 observed (301 hold), …"."""
    found = Counter(row.status for row in rows)
    hold = sum(row.replicates for row in rows if row.status == "observed")
    verdicts = ("pass", "fail", "vacuous", "error")
    order = [*verdicts, *(s for s in STATUSES if s not in verdicts)]
    return ", ".join(
        f"{found[status]} {status}" + (f" ({hold} hold)" if status == "observed" else "")
        for status in order
    )


def controls(rows: Sequence[Row]) -> str:
    """What became of the controls of all judged rows, in words."""
    judged = [row for row in rows if row.holds is not None]
    skipped = sum(row.controls_skipped for row in judged)
    accepted = sum(row.control_accepted for row in judged)
    ran = sum(bool(row.controls) for row in judged)
    said = []
    if skipped:
        said.append(f"controls NOT RUN on {skipped} rows")
    if accepted and any(row.control_accepted and row.status != "observed" for row in judged):
        said.append(f"a control was accepted on {accepted} rows")
    elif accepted:
        said.append(f"every control rejected where it gates, accepted on {accepted} observed rows")
    elif ran:
        said.append("every control rejected" if not skipped else "the others rejected")
    return ", ".join(said) or "no control to run"
