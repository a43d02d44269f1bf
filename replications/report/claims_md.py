"""CLAIMS.md, rendered from ledgers alone; and whether a CLAIMS.md still agrees with the claims."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from replications.judging.claim import Claim
from replications.judging.ledger import Ledger, describe, expectations
from replications.judging.row import STATUSES, Row
from replications.report import audit_md, board, planted_md, replicas_md
from replications.report.audit import audit
from replications.report.board import Line
from replications.report.closing import control, margin, tally
from replications.report.lesions_md import lesion_section
from replications.report.markdown import cell, table
from replications.report.rates import rates_of
from replications.report.text import clip, published, short, span

Entry = Mapping[str, Any]
LIST = 8  # longer lists are shortened
FEW = 20  # more rows with one reason are counted, not named

PREAMBLE = """\
# Claims

Each row is one published finding, measured again. *Published* is what the document prints,
*derived* what follows from numbers it prints, *beyond* a finding of ours. *Measured*, *margin* and
*control* are those of the subjects that the claim is first about: the published model, or the
models trained as the document says. Where these were not reached, they are those of the nearest
models that were, whose kind is beside the verdict. Where there are several, *measured* gives the
share in which the finding replicates and the range of its value, and *margin* and *control* are
those of the worst. The margin is the distance to the nearest edge of the expectation, and is
negative outside it. The control is something on which the same expectation must be rejected; a
finding whose control is accepted, or of which some part is rejected by no control, does not
replicate, and is `vacuous` where it is asserted. *Seeds* gives, for each recipe, in how many models
trained here the finding replicates, with the 95 % Clopper–Pearson interval of that rate.

`pass` is asserted and holds. `replicates` and `does not replicate` are recorded, and any departure
from the record fails the run as `changed`. This file is rendered from a measured run; the last
section says how."""

REGENERATE = """\
## How this file is made

```
pytest claims/ --thorough --claims-json claims.json
pytest claims/ --lesions --no-controls --claims-json lesions.json
python -m replications ledger claims.json --lesions lesions.json --out CLAIMS.md
python -m replications audit claims.json lesions.json
```

or `make ledger`. To measure one claim again: `pytest claims/ -k name -v`."""

RECORDED = """\
What was found of each claim on each subject is kept beside the claims, in
`claims/*/*.outcomes.jsonl`; a run that departs from it fails. These are the reasons given when it
was recorded, each with its rows."""

_ROW = re.compile(r"^\| (?P<says>.*)<br>`(?P<id>[^`]+)` \| (?P<published>.*?) \| ")
_DETAIL = re.compile(r"^- \*\*`(?P<id>[^`]+)`\*\* expects (?P<rest>.*)$")


def render(ledger: Ledger, lesions: Ledger | None = None, replicas: Sequence[Ledger] = ()) -> str:
    """The whole of CLAIMS.md, with the lesions and the audit if `lesions` is given.

    `replicas` are ledgers that the command `replicate` wrote.
    """
    sections = [PREAMBLE, _summary(ledger), _not_reached(ledger)]
    for system, of_system in groupby(board.lines(ledger), key=lambda line: line.entry["system"]):
        sections.append(f"## {system}")
        sections += _system(list(of_system))
    if planted := planted_md.section(ledger):
        sections.append(planted)
    if replicas:
        sections.append(replicas_md.section(replicas))
    if lesions is not None:
        sections.append(lesion_section(ledger, lesions))
        sections.append(f"## Audit\n\n{audit_md.section(audit([ledger, lesions]))}")
    sections.append(_recorded(ledger))
    sections.append(REGENERATE)
    return "\n\n".join(sections) + "\n"


# ---- head ---------------------------------------------------------------------------------------


def _summary(ledger: Ledger) -> str:
    rows = [[c.system, c.kind, str(c.subjects), *c.cells] for c in board.by_kind(ledger)]
    head = ["system", "kind", "subjects", *STATUSES]
    said = f"{len(ledger.claims)} claims, {len(ledger.rows)} rows; {board.controls(ledger.rows)}."
    return f"## Summary\n\n{said}\n\n{table(head, rows)}\n\n{environment(ledger)}"


def environment(ledger: Ledger) -> str:
    """The versions, the machine and the settings of a run, in one sentence."""
    get = ledger.environment.get
    packages = [
        f"interp-claims {get('suite')}" + (f" ({get('commit')})" if get("commit") else ""),
        f"Python {get('python')}",
        f"torch {get('torch')}",
        f"TransformerLens {get('transformer_lens')}",
        f"numpy {get('numpy')}",
        f"scipy {get('scipy')}",
    ]
    cores = f"{get('cores')} cores" if get("cores") else "cores unknown"
    device = get("device_name") or get("device")
    machine = [f"{get('cpu')}, {cores}, {get('platform')}"]
    machine.append(f"computed on {get('device')} ({device}) in {get('dtype')}")
    machine.append(f"{get('threads')} torch threads, TF32 {'on' if get('tf32') else 'off'}")
    return f"Measured {get('date')} with {', '.join(packages)}; on {', '.join(machine)}."


def _not_reached(ledger: Ledger) -> str:
    lines = [
        f"- {missing.status}: {missing.subjects} (rows: {missing.rows}). {missing.reason}"
        for missing in board.not_reached(ledger)
    ]
    said = "\n".join(lines) or "No row of this ledger was skipped."
    return f"## Not reached and how to reach it\n\n{said}"


# ---- one system ---------------------------------------------------------------------------------


def _system(lines: list[Line]) -> list[str]:
    """A heading, a table and the details of each section, in the order of the claims."""
    by_section: dict[tuple[str, str, str], list[Line]] = {}
    for line in lines:
        e = line.entry
        by_section.setdefault((e["document"], e["section"], e["url"]), []).append(line)
    sources = {(document, url) for document, _, url in by_section}
    out = [_source(*next(iter(sources)))] if len(sources) == 1 else []
    for (document, section, url), of_section in by_section.items():
        out.append(f"### {section or 'Whole document'}")
        if len(sources) > 1:
            out.append(_source(document, url))
        head = ["finding", "published", "measured", "margin", "control", "verdict", "seeds"]
        out.append(table(head, [_row(line) for line in of_section]))
        out.append("\n".join(_detail(line) for line in of_section))
    return out


def _source(document: str, url: str) -> str:
    return f"Source: [{document}]({url})" if url else f"Source: {document}"


def _row(line: Line) -> list[str]:
    row = line.shown
    kind = f" ({row.kind})" if row else ""
    seeds = [f"{rate.group} {rate}" for rate in rates_of(line)]
    return [
        _finding(line.id, line.entry),
        _published(line.entry),
        measured(line),
        margin(row),
        clip(control(row), 40),
        line.verdict + kind,
        "<br>".join(seeds) or "–",
    ]


def measured(line: Line) -> str:
    """The value that stands for the claim; for several subjects, the tally."""
    if line.several:
        return clip(tally(line), 160)
    row = line.shown
    return clip(short(row.measured, line.entry["parts"], LIST), 90) if row else "–"


def _finding(name: str, entry: Entry) -> str:
    return f"{cell(entry['says'])}<br>`{name}`"


def _published(entry: Entry) -> str:
    derived = " (derived)" if entry["derived"] else ""
    return cell(clip(published(entry["published"], LIST), 90)) + derived


def expected(entry: Entry) -> str:
    """What a claim expects of each group of subjects, with the reasons for the tolerances."""
    said = []
    for group, words, because in expectations(entry):
        of_group = f"{group}: {words}" if group else words
        said.append(of_group + (f" (because: {because})" if because else ""))
    return " / ".join(said)


def demanded(entry: Entry) -> str:
    """What a claim expects, and its tier."""
    return f"{expected(entry)}. Tier {entry['tier']}."


def _detail(line: Line) -> str:
    entry = line.entry
    said = [f"- **`{line.id}`** expects {demanded(entry)}"]
    said.append(_control_detail(line))
    if entry["derived"]:
        said.append(f"Published is derived: {entry['derived'].rstrip('.')}.")
    if entry["not_asserted"]:
        said.append(f"Asserted of no subject: {entry['not_asserted'].rstrip('.')}.")
    said += [
        f"{row.subject}: {row.reason}."
        for row in line.gating
        if row.reason and row.status != "skip"
    ]
    said += [group_line(line, group, rows) for group, rows in line.groups.items()]
    if entry["note"]:
        said.append(f"Note: {entry['note']}")
    return " ".join(text for text in said if text)


def _control_detail(line: Line) -> str:
    if line.entry["no_control"]:
        return f"No control: {line.entry['no_control'].rstrip('.')}."
    row = line.shown or (line.others[0] if line.others else None)
    return f"Control: {line.control_names(row)}." if row else ""


def group_line(line: Line, group: str, rows: list[Row]) -> str:
    """The share of a group in which the finding holds, and the range of its value."""
    judged = [row for row in rows if row.holds is not None]
    if not judged:
        return f"{group} ({rows[0].kind}): not judged ({rows[0].status})."
    replicating = sum(row.replicates for row in judged)
    values = span([row.measured for row in judged], line.entry["parts"])
    unproved = sum(bool(row.holds) and not row.replicates for row in judged)
    suffix = (
        f"; on {unproved} the expectation holds and a control shows nothing" if unproved else ""
    )
    count = f"{replicating}/{len(judged)}"
    return f"{group} ({rows[0].kind}): replicates in {count}, {values}{suffix}."


# ---- recorded outcomes --------------------------------------------------------------------------


def _recorded(ledger: Ledger) -> str:
    """The reasons of the recorded outcomes, with the rows that each is about."""
    rows: dict[str, list[Row]] = {}
    for row in ledger.rows:
        if row.outcome is not None:
            rows.setdefault(row.outcome["reason"], []).append(row)
    said = [f"- {reason.rstrip('.')}: {_some(found)}." for reason, found in rows.items()]
    return f"## Recorded outcomes\n\n{RECORDED}\n\n" + ("\n".join(said) or "None is recorded.")


def _some(rows: list[Row]) -> str:
    if len(rows) > FEW:
        return f"{len(rows)} rows"
    subjects: dict[str, list[str]] = {}
    for row in rows:
        subjects.setdefault(row.claim, []).append(row.subject)
    return "; ".join(f"`{claim}` on {', '.join(names)}" for claim, names in subjects.items())


# ---- stale? -------------------------------------------------------------------------------------


def check(text: str, claims: Mapping[str, Entry] | Iterable[Claim]) -> list[str]:
    """One line for each difference between `text` and `claims`; empty if it is up to date.

    `claims` are claims, or the `claims` of a ledger.  Measured values are not compared, because
    they change from machine to machine.
    """
    if not isinstance(claims, Mapping):
        claims = {claim.id: describe(claim) for claim in claims}
    rows = {m["id"]: m for m in map(_ROW.match, text.splitlines()) if m}
    details = {m["id"]: m["rest"] for m in map(_DETAIL.match, text.splitlines()) if m}
    stale = [f"{name}: no such claim any more" for name in rows if name not in claims]
    for name, entry in claims.items():
        if name not in rows:
            stale.append(f"{name}: missing")
            continue
        if rows[name]["says"] != cell(entry["says"]):
            stale.append(f"{name}: the sentence changed")
        if rows[name]["published"] != _published(entry):
            stale.append(f"{name}: the published value changed")
        if not _says(details.get(name, ""), entry):
            stale.append(f"{name}: the expectation or the tier changed")
    return stale


def _says(detail: str, entry: Entry) -> bool:
    """Whether a line of details states exactly what the claim demands."""
    rest = detail.removeprefix(demanded(entry))
    return rest != detail
