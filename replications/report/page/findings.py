"""The claims of a ledger as the page shows them: text only, the same text as in CLAIMS.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from replications.judging.ledger import Ledger
from replications.judging.verdict import EXCUSED, Row
from replications.report import board, claims_md
from replications.report.board import Line
from replications.report.closing import control, margin, missed, word
from replications.report.page.scale import Scale, scale
from replications.report.text import clip, published, short

LONG = 400
"""Characters of a measured value of one subject that are shown."""


@dataclass(frozen=True)
class SubjectRow:
    """One claim on one subject.  `state` is a status; observed ones say whether they hold."""

    subject: str
    kind: str
    status: str
    state: str
    measured: str
    margin: str
    control: str
    control_verdict: str
    reason: str


@dataclass(frozen=True)
class Finding:
    """One claim, and what every subject says of it."""

    id: str
    entry: Mapping[str, Any]
    published: str
    measured: str
    margin: str
    scale: Scale | None
    control: str
    control_name: str
    control_verdict: str
    verdict: str
    state: str
    kind: str
    others: str
    missed: str
    groups: tuple[str, ...]
    rows: tuple[SubjectRow, ...]

    @property
    def slug(self) -> str:
        """The id without the system."""
        return self.id.split("/", 1)[1]

    @property
    def expected(self) -> list[tuple[str, str, str]]:
        """(group of subjects, what is expected of it, the reason for the tolerance)."""
        because = self.entry["because"]
        return [(g, words, because.get(g, "")) for g, words in self.entry["expectation"].items()]


@dataclass(frozen=True)
class Section:
    """The claims of one section of a document."""

    document: str
    url: str
    title: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class System:
    """The claims of one system, by section, in the order claims first name it."""

    name: str
    sections: tuple[Section, ...]

    @property
    def findings(self) -> list[Finding]:
        """All claims of the system."""
        return [finding for section in self.sections for finding in section.findings]

    @property
    def documents(self) -> list[tuple[str, str]]:
        """(title, address or "") of each document the claims come from."""
        return list(dict.fromkeys((s.document, s.url) for s in self.sections))


def systems(ledger: Ledger) -> list[System]:
    """The claims of a ledger by system and section, in the order claims first name them."""
    found: dict[str, dict[tuple[str, str, str], list[Finding]]] = {}
    for line in board.lines(ledger):
        e = line.entry
        place = e["document"], e["url"], e["section"] or "Whole document"
        found.setdefault(e["system"], {}).setdefault(place, []).append(finding(line))
    return [
        System(name, tuple(Section(*place, tuple(of)) for place, of in by_section.items()))
        for name, by_section in found.items()
    ]


def finding(line: Line) -> Finding:
    """One claim as the page shows it."""
    row = line.shown
    return Finding(
        id=line.id,
        entry=line.entry,
        published=clip(published(line.entry["published"], claims_md.LIST), LONG),
        measured=claims_md.measured(line),
        margin=margin(row),
        scale=scale(line),
        control=clip(control(row), 40),
        control_name=row.control if row is not None and row.holds is not None else "",
        control_verdict=_control_verdict(row),
        verdict=line.verdict,
        state=_state(line),
        kind=row.kind if row else ", ".join(dict.fromkeys(r.kind for r in line.others)),
        others=line.replicates,
        missed=missed(line) if line.missed else "",
        groups=tuple(claims_md.group_line(line, g, rows) for g, rows in line.groups.items()),
        rows=tuple(_row(line, r) for r in (*line.gating, *line.others)),
    )


def _state(line: Line) -> str:
    """The verdict; an observed one says whether the subject that would gate holds."""
    if line.verdict == "observed" and line.shown:
        return word(line.shown)
    return line.verdict


def _row(line: Line, row: Row) -> SubjectRow:
    return SubjectRow(
        subject=row.subject,
        kind=row.kind,
        status=row.status,
        state=word(row),
        measured=clip(short(row.measured, line.entry["parts"], claims_md.LIST), LONG),
        margin=margin(row),
        control=clip(control(row), LONG),
        control_verdict=_control_verdict(row),
        # The reason why it need not hold everywhere stands once, beside the claim.
        reason=row.reason.split(EXCUSED)[0],
    )


def _control_verdict(row: Row | None) -> str:
    if row is None or row.holds is None or not row.control or row.controls_skipped:
        return ""
    return "accepted" if row.control_accepted else "rejected"


# ---- self-repair --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Repair:
    """What claims about repair measure, by subject: a table of columns and rows.

    A cell is (value, whether the finding holds), ("", None) where the claim is not about it.
    """

    claims: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[tuple[str, bool | None], ...]], ...]


def repair(system: System, ledger: Ledger) -> Repair | None:
    """The claims of a system that speak of repair, against the subjects; None if none does."""
    about = [f for f in system.findings if "repair" in f"{f.id} {f.entry['says']}".lower()]
    rows = [r for r in ledger.rows if r.claim in {f.id for f in about} and r.holds is not None]
    if not rows:
        return None
    subjects = list(dict.fromkeys((r.subject, r.kind) for r in rows))
    table = []
    for subject, kind in subjects:
        here = {r.claim: r for r in rows if r.subject == subject}
        cells = tuple(_cell(here.get(f.id), f.entry["parts"]) for f in about)
        table.append((subject, kind, cells))
    claims = tuple((f.id, f.entry["says"]) for f in about)
    return Repair(claims, tuple(f.slug for f in about), tuple(table))


def _cell(row: Row | None, parts: list[str] | None) -> tuple[str, bool | None]:
    return ("", None) if row is None else (short(row.measured, parts), row.holds)
