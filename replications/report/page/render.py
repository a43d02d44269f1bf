"""Renders the page.  All text of ledgers is escaped, and nothing is fetched."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from replications.judging.claim import KINDS
from replications.judging.ledger import Ledger
from replications.judging.row import FAILURES, STATUSES
from replications.report import drift_table, lesions_md
from replications.report.page import by_subject, findings, scale
from replications.report.page.answer import answer
from replications.report.page.gallery import Gallery
from replications.report.page.versions import Versions

HERE = Path(__file__).parent
SYMBOLS = {
    "pass": "✓",
    "fail": "✗",
    "replicates": "○",
    "does not replicate": "△",
    "changed": "≠",
    "vacuous": "∅",
    "error": "!",
    "skip": "–",
    "unsupported": "–",
}
"""The symbol before the word of a verdict, so that colour alone never carries it."""


@dataclass(frozen=True)
class Page:
    """The content of a page.

    `made_from` is (file name, sha256) of each ledger; `command` is the command that made the page.
    """

    ledger: Ledger
    versions: Versions | None = None
    lesions: Ledger | None = None
    gallery: Gallery = field(default_factory=Gallery)
    made_from: Sequence[tuple[str, str]] = ()
    command: str = ""


def render(page: Page) -> str:
    """The whole page as HTML.  The same inputs give the same bytes."""
    style, script = (_asset(name) for name in ("page.css", "page.js"))
    text = _environment().get_template("page.html.j2")
    return text.render(
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        **_facts(page),
    )


def _facts(page: Page) -> dict[str, Any]:
    """The values that the templates use."""
    ledger = page.ledger
    systems = findings.systems(ledger)
    return {
        "answer": answer(ledger),
        "ledger": ledger,
        "systems": systems,
        "statuses": STATUSES,
        "failures": FAILURES,
        "states": _states(systems),
        "kinds": [kind for kind in KINDS if any(row.kind == kind for row in ledger.rows)],
        "by_subject": {s.name: by_subject.tables(s.name, ledger) for s in systems},
        "lesions": {s.name: _lesions(ledger, page.lesions, s.name) for s in systems},
        "lesion_claims": page.lesions.claims if page.lesions else {},
        "lesion_headers": lesions_md.HEADERS,
        "lesion_about": lesions_md.ABOUT,
        "gallery": page.gallery,
        "versions": page.versions,
        "drift_headers": drift_table.HEADERS,
        "made_from": page.made_from,
        "command": page.command,
    }


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"code": _code, "web": _web}
    made.globals |= {"SYMBOLS": SYMBOLS, "WIDTH": scale.WIDTH}
    return made


def _asset(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """A content security policy that allows nothing but the page's own style and script."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _code(text: str) -> Markup:
    """Escaped text in which words between backticks are code."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return escape(text)
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(p) if i % 2 else escape(p) for i, p in enumerate(pieces))


def _web(address: str) -> str:
    """An address that may be linked; empty for any other, such as one with a script."""
    return address if address.startswith(("https://", "http://")) else ""


def _states(systems: Sequence[findings.System]) -> list[str]:
    """The states that occur in some row, in the order of SYMBOLS."""
    found = {row.state for s in systems for f in s.findings for row in f.rows}
    return [state for state in SYMBOLS if state in found]


def _lesions(ledger: Ledger, lesions: Ledger | None, system: str) -> lesions_md.Lesions | None:
    found = lesions_md.judged(ledger, lesions, system) if lesions else None
    return found if found and (found.lesions or found.unjudged) else None
