"""The claims of a ledger as the page shows them: text only, as in CLAIMS.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from replications.judging.ledger import Ledger, expectations
from replications.judging.row import Row
from replications.report import board, claims_md
from replications.report.board import Line
from replications.report.closing import control, margin
from replications.report.page.scale import Scale, scale
from replications.report.text import clip, published, short

LONG = 400
"""The largest number of characters shown of one measured value."""


@dataclass(frozen=True)
class SubjectRow:
    """One claim on one subject.

    `state` is what the filter of the page knows it by: the status.
    """

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
    """One claim with its verdict on every subject."""

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
    groups: tuple[str, ...]
    rows: tuple[SubjectRow, ...]

    @property
    def slug(self) -> str:
        """The id without the system."""
        return self.id.split("/", 1)[1]

    @property
    def expected(self) -> list[tuple[str, str, str]]:
        """(group of subjects or "every subject", expectation, reason for the tolerance)."""
        return [
            (group or "every subject", words, because)
            for group, words, because in expectations(self.entry)
        ]


@dataclass(frozen=True)
class Section:
    """The claims of one section of a document."""

    document: str
    url: str
    title: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class System:
    """The claims of one system, by section of their documents."""

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
    """The claims of a ledger by system and section, both in the order of the claims."""
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
        control_name=line.control_names(row) if row is not None and row.holds is not None else "",
        control_verdict=_control_verdict(row),
        verdict=line.verdict,
        state=line.verdict,
        kind=row.kind if row else ", ".join(dict.fromkeys(r.kind for r in line.others)),
        others=line.replicates,
        groups=tuple(claims_md.group_line(line, g, rows) for g, rows in line.groups.items()),
        rows=tuple(_row(line, r) for r in (*line.gating, *line.others)),
    )


def _row(line: Line, row: Row) -> SubjectRow:
    return SubjectRow(
        subject=row.subject,
        kind=row.kind,
        status=row.status,
        state=row.status,
        measured=clip(short(row.measured, line.entry["parts"], claims_md.LIST), LONG),
        margin=margin(row),
        control=clip(control(row), LONG),
        control_verdict=_control_verdict(row),
        reason=row.reason,
    )


def _control_verdict(row: Row | None) -> str:
    if row is None or row.holds is None or not row.controls:
        return ""
    return "accepted" if row.control_accepted else "rejected"
