"""The certificate of a run: who ran what, when and on what, and what was not checked.

Rendered from one ledger alone, so that whoever has the ledger can render it again and compare.
"""

from __future__ import annotations

from collections import Counter

from replications.judging.ledger import Ledger
from replications.judging.row import FAILURES, Row
from replications.report import board
from replications.report.markdown import table
from replications.report.text import short

_RAN_ON = (
    *("command", "date", "suite", "commit", "python", "platform", "cpu", "cores"),
    *("torch", "transformer_lens", "lens", "numpy", "scipy"),
    *("device", "device_name", "dtype", "threads", "tf32"),
)
NOT_STATED = "not stated"


def certificate(ledger: Ledger, *, name: str, sha256: str, by: str = "") -> str:
    """A page in Markdown.  `name` and `sha256` are those of the ledger's file, `by` who ran it.

    The same ledger and `by` give the same page.
    """
    sections = [
        f"# Certificate of {name}",
        _verdict(ledger),
        f"Ledger: `{name}`, sha256 `{sha256}`, schema {ledger.read_as}.",
        f"Run by: {by or NOT_STATED}.",
        "## What was checked",
        _checked(ledger),
        *_failed(ledger),
        "## What was not checked",
        *_not_checked(ledger),
        "## What it ran on",
        _environment(ledger),
        "## The files it was measured on",
        _files(ledger),
    ]
    return "\n\n".join(sections) + "\n"


def _verdict(ledger: Ledger) -> str:
    bad = sum(row.status in FAILURES for row in ledger.rows)
    judged = sum(row.holds is not None for row in ledger.rows)
    lost = len(board.lost(ledger))
    said = f"{judged} rows were judged, each one claim on one model. "
    said += f"**{bad} failed.**" if bad else "None failed."
    return said + (f" **The run did not finish: {lost} rows are missing.**" if lost else "")


def _checked(ledger: Ledger) -> str:
    """One line for each system and kind of model."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in ledger.rows:
        if row.holds is not None:
            key = ledger.claims[row.claim]["system"], row.kind
            found.setdefault(key, []).append(row)
    rows = [
        [
            system,
            kind,
            str(len({row.subject for row in rows})),
            str(len({row.claim for row in rows})),
            ", ".join(f"{n} {status}" for status, n in Counter(r.status for r in rows).items()),
        ]
        for (system, kind), rows in found.items()
    ]
    return table(["system", "kind of model", "models", "claims", "rows"], rows)


def _failed(ledger: Ledger) -> list[str]:
    rows = [
        [f"`{row.claim}`", row.subject, row.status, short(row.measured), row.reason]
        for row in ledger.rows
        if row.status in FAILURES
    ]
    if not rows:
        return []
    return ["## What failed", table(["claim", "model", "status", "measured", "reason"], rows)]


def _not_checked(ledger: Ledger) -> list[str]:
    said = [
        f"- {missing.status}, {missing.rows} rows: {missing.subjects}: {missing.reason}"
        for missing in board.not_reached(ledger)
    ]
    for what, entries in (("lost", board.lost(ledger)), ("left out", board.left_out(ledger))):
        if entries:
            models = ", ".join(dict.fromkeys(board.subject_of(entry) for entry in entries))
            said.append(f"- {what}, {len(entries)} rows: {models}: {entries[0].reason}")
    without = sum(row.holds is not None and row.controls is None for row in ledger.rows)
    if without:
        said.append(f"- controls were not run on {without} rows: these show less than they seem to")
    said.append(
        "- claims that the run did not select, and what the claims do not say: see CLAIMS.md"
    )
    return ["\n".join(said)]


def _environment(ledger: Ledger) -> str:
    known = ledger.environment
    rows = [[key, str(known[key])] for key in _RAN_ON if known.get(key) is not None]
    return table(["what", "value"], rows) if rows else f"{NOT_STATED.capitalize()}."


def _files(ledger: Ledger) -> str:
    rows = [[f"`{name}`", f"`{digest}`"] for name, digest in ledger.fixtures.items()]
    return table(["file", "sha256"], rows) if rows else "None."
