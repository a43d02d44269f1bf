"""From the records of a run to the parts of its ledger, and to the file."""

from __future__ import annotations

import tempfile
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from replications.judging.ledger import LEFT_OUT, LOST, Ledger, NotRun


def claims(
    records: Sequence[Mapping[str, Any]], known: Ledger | None, order: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """What the ledger says about each claim, in the order of their files.

    Only when it is opened does the subject of a fixture say that it does not gate.
    """
    found = {name: dict(entry) for name, entry in known.claims.items()} if known else {}
    found |= {record["row"]["claim"]: record["claim"] for record in records}
    for record in records:
        row = record["row"]
        if not record["gates"]:
            entry = found[row["claim"]]
            entry["gating"] = [name for name in entry["gating"] if name != row["subject"]]
    ordered = [name for name in order if name in found]
    return {name: found[name] for name in (*ordered, *found)}


def not_run(
    plan: Mapping[str, Any], have: Container[tuple[str, str]], known: Ledger | None
) -> tuple[NotRun, ...]:
    """The rows of the plan that are missing, then those that it left out.

    A run that measured nothing has no plan: then what an earlier one lacked is lacking still.
    """
    if not plan and known:
        return tuple(entry for entry in known.not_run if (entry.claim, entry.subject) not in have)
    lost = [(*row, LOST) for row in plan.get("rows", ()) if tuple(row) not in have]
    left_out = [(*row, LEFT_OUT) for row in plan.get("left_out", ())]
    return tuple(NotRun(*entry) for entry in (*lost, *left_out))


def write(ledger: Ledger, path: str) -> str:
    """Write a ledger, or what is wrong: then it is kept where temporary files are, if it can be."""
    try:
        ledger.write(path)
        return ""
    except OSError as exc:
        problem = f"the ledger was NOT WRITTEN: {path}: {exc.strerror or exc}"
    try:
        kept = Path(tempfile.mkdtemp(prefix="claims-")) / Path(path).name
        ledger.write(kept)
    except OSError:
        return problem
    return f"{problem}; it is in {kept}"
