"""The drift table: what moved between ledgers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from replications.drift.changes import Change, counts
from replications.judging.ledger import Ledger
from replications.judging.noise import Floor
from replications.judging.row import STATUSES, Row
from replications.report import board
from replications.report.text import clip, short

HEADERS = ("claim", "subject", "before", "after", "change", "margin before", "after", "kind")
QUIET = ("same", "noise")
_WIDTHS = (46, 24, 26, 26)


def name(ledger: Ledger) -> str:
    """The versions and the device of a run: "TransformerLens 3.9.0 (bridge), torch 2.13.0, …"."""
    get = ledger.environment.get
    kind = f" ({get('lens')})" if get("lens") else ""
    said = [f"TransformerLens {get('transformer_lens')}{kind}", f"torch {get('torch')}"]
    return ", ".join([*said, f"{get('device')} {get('dtype')}", f"numpy {get('numpy')}"])


def summary(ledgers: Sequence[Ledger]) -> str:
    """One line for each ledger, one column for each system."""
    systems = list(dict.fromkeys(e["system"] for led in ledgers for e in led.claims.values()))
    rows = [[name(ledger), *(counted(ledger, system) for system in systems)] for ledger in ledgers]
    return tabulate(rows, headers=("run", *systems), disable_numparse=True)


def counted(ledger: Ledger, system: str) -> str:
    """The rows of one system by status: "246 pass, 337 replicates"."""
    rows = [row for row in ledger.rows if ledger.claims[row.claim]["system"] == system]
    found = Counter(row.status for row in rows)
    return ", ".join(f"{found[s]} {s}" for s in STATUSES if found[s]) or "none"


def table(changes: Sequence[Change], *, everything: bool = False) -> str:
    """One line for each row that moved, or with `everything` for each row; "" for no line."""
    shown = [c for c in changes if everything or c.kind not in QUIET]
    if not shown:
        return ""
    return tabulate([_line(change) for change in shown], headers=HEADERS, disable_numparse=True)


def moved(changes: Sequence[Change], *, everything: bool = False) -> list[str]:
    """The subjects of the rows that a table shows, each as "system/subject"."""
    shown = [c for c in changes if everything or c.kind not in QUIET]
    return list(dict.fromkeys(board.subject_of(change.old) for change in shown))


def _line(change: Change) -> list[str]:
    facts = cells(change)
    clipped = [clip(text, width) for text, width in zip(facts, _WIDTHS, strict=False)]
    return [*clipped, *facts[len(_WIDTHS) :]]


def cells(change: Change) -> list[str]:
    """One row of the table: a text for each of HEADERS."""
    facts = (change.old.claim, change.old.subject, _value(change.old), _value(change.new))
    size = "–" if change.size is None else f"{change.size:.2g}"
    kind = change.kind if change.gates or change.kind in QUIET else f"{change.kind} (not asserted)"
    return [*facts, size, _margin(change.old), _margin(change.new), kind]


def _value(row: Row) -> str:
    return short(row.measured) if row.holds is not None else f"{row.status}: {row.reason}"


def _margin(row: Row) -> str:
    return "–" if row.margin is None else f"{row.margin:+.3g}"


def last_line(changes: Sequence[Change], floor: Floor) -> str:
    """The number of rows of each kind, the floor of noise, and the largest change below it."""
    said = ", ".join(f"{number} {kind}" for kind, number in counts(changes).items())
    quiet = [c for c in changes if c.kind in QUIET and c.size is not None]
    largest = max(quiet, key=lambda c: c.size or 0.0, default=None)
    noise = ""
    if largest is not None and largest.size:
        noise = f"; largest noise {largest.size:.2g} ({board.subject_of(largest.old)}: "
        noise += f"{largest.old.claim.split('/')[-1]})"
    gating = sum(change.fails for change in changes)
    verdict = f"{gating} asserted rows flipped or broke" if gating else "no asserted row flipped"
    return f"drift: {said}; noise is {floor}{noise}; {verdict}"


def environments(old: Ledger, new: Ledger) -> list[str]:
    """One text for each setting that differs between two runs: "numpy: 1.26.4 → 2.4.6"."""
    quiet = ("command", "date", "commit")
    keys: dict[str, Any] = {**old.environment, **new.environment}
    pairs = [(k, old.environment.get(k), new.environment.get(k)) for k in keys if k not in quiet]
    return [f"{key}: {before} → {after}" for key, before, after in pairs if before != after]
