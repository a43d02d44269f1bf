"""Ledgers of schema 1, converted to schema 2.

Schema 1 kept expectations, controls and excuses as prose.  Its prose is frozen, so it is taken
apart here and nowhere else.  What it does not tell stays None: the parts of an expectation with
their edges, the parts that a control rejected and its margin, and the version of a claim.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from replications.errors import BadInput

SCHEMA = 1
_ACCEPTED = "control accepted: "
_EXCUSED = "; not in all: "
_BETWEEN_CONTROLS = "; "
_CLAIM_KEYS = {
    *("says", "document", "section", "url", "tier", "system", "published", "parts"),
    *("because", "expectation", "note", "no_control", "observe", "gating"),
    *("holds_in", "because_not_all"),
}
_KEPT = _CLAIM_KEYS - {"because", "expectation", "observe", "holds_in", "because_not_all"}
_ROW_KEYS = [
    *("claim", "subject", "kind", "published", "measured", "expectation", "margin"),
    *("control", "control_measured", "holds", "status", "reason", "seconds"),
]


def converted(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a ledger of schema 1 as that of schema 2.  BadInput if it is not whole."""
    for name, entry in content["claims"].items():
        if not isinstance(entry, dict) or _CLAIM_KEYS - set(entry):
            raise BadInput(f"claim {name!r} of schema 1 needs the keys {sorted(_CLAIM_KEYS)}")
    for entry in content["rows"]:
        if not isinstance(entry, dict) or list(entry) != _ROW_KEYS:
            raise BadInput(f"not a ledger row of schema 1: {str(entry)[:80]}")
    rows = [_row(entry, content["claims"].get(entry["claim"])) for entry in content["rows"]]
    claims = {
        name: _claim(entry, [row for row in content["rows"] if row["claim"] == name])
        for name, entry in content["claims"].items()
    }
    return {**content, "schema": 2, "claims": claims, "rows": rows}


def _claim(entry: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    kept = {key: entry[key] for key in sorted(_CLAIM_KEYS & _KEPT)}
    not_asserted = entry["observe"] or entry["because_not_all"]
    expect = {
        group: _expectation(words, entry["because"].get(group, ""))
        for group, words in entry["expectation"].items()
    }
    return {
        **kept,
        "version": None,
        "expect": expect,
        "controls": _controls(entry, rows),
        "not_asserted": not_asserted,
        "derived": "",
        "no_lesion": "",
        "file": None,
    }


def _expectation(words: str, because: str) -> dict[str, Any]:
    return {"words": words, "because": because, "parts": None}


def _controls(entry: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The controls of a claim; one that some group lacks is for the first group that has it."""
    by_group = {_group(row, entry): _names(row) for row in rows}
    names = dict.fromkeys(name for of_group in by_group.values() for name in of_group)
    found = []
    for name in names:
        groups = [group for group, of_group in by_group.items() if name in of_group]
        only = "" if len(groups) == len(by_group) else groups[0] or ""
        found.append({"name": name, "only": only, "accepted_if": ""})
    return found


def _names(row: Mapping[str, Any]) -> list[str]:
    return row["control"].split(_BETWEEN_CONTROLS) if row["control"] else []


def _group(row: Mapping[str, Any], entry: Mapping[str, Any]) -> str | None:
    """The group of the subject: the start of its name, or the one group with its expectation."""
    start = row["subject"].split("~")[0].split("/")[0]
    if start in entry["expectation"]:
        return str(start)
    same = [g for g, words in entry["expectation"].items() if words == row["expectation"]]
    return same[0] if len(same) == 1 else None


def _row(row: Mapping[str, Any], entry: Mapping[str, Any] | None) -> dict[str, Any]:
    group = _group(row, entry) if entry else None
    because = entry["because"].get(group, "") if entry else ""
    reason = row["reason"].partition(_EXCUSED)[0]
    words = row["expectation"]
    results = _results(row)
    return {
        "claim": row["claim"],
        "version": None,
        "subject": row["subject"],
        "group": group,
        "kind": row["kind"],
        "published": row["published"],
        "measured": row["measured"],
        "expectation": _expectation(words, because) if words else None,
        "margin": row["margin"],
        "controls": results,
        "uncontrolled": None,
        "outcome": None,
        "holds": row["holds"],
        "status": _status(row, results),
        "reason": reason,
        "remedy": "",
        "seconds": row["seconds"],
    }


def _status(row: Mapping[str, Any], results: list[dict[str, Any]] | None) -> str:
    """The status in the words of schema 2, which has no "observed"."""
    if row["status"] != "observed":
        return str(row["status"])
    replicates = row["holds"] and not any(result["accepted"] for result in results or ())
    return "replicates" if replicates else "does not replicate"


def _results(row: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """What became of the controls; None where they did not run."""
    names, values = _names(row), row["control_measured"]
    if not names:
        return []
    if values is None or row["holds"] is None:
        return None
    values = values if len(names) > 1 else [values]
    accepted = row["reason"].partition(_ACCEPTED)[2]
    if not isinstance(values, list) or len(values) != len(names):
        raise BadInput(f"row of {row['claim']!r}: not one value for each of the controls {names}")
    return [
        {
            "name": name,
            "measured": value,
            "accepted": bool(accepted) and (len(names) == 1 or f"{name} (" in accepted),
            "rejected_parts": None,
            "margin": None,
        }
        for name, value in zip(names, values, strict=True)
    ]
