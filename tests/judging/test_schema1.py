"""Ledgers of schema 1 are read: what they say is kept, and what they do not say is None."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from replications.drift.changes import compare
from replications.errors import BadInput
from replications.judging.ledger import Ledger
from replications.judging.row import ControlResult
from tests import sample_ledger
from tests.sample_ledger import BIG

CLAIM = {
    **dict.fromkeys(("url", "note", "no_control", "observe"), ""),
    "says": "The value is near 1 | or so.",
    "document": "A document",
    "section": "1 > Values",
    "tier": 1,
    "system": "toys",
    "published": 0.99,
    "parts": None,
    "because": {"arena": "spread of two seeds"},
    "expectation": {"arena": "1 ± 0.1", "retrained": "≥ 0.5"},
    "gating": ["arena"],
    "holds_in": None,
    "because_not_all": "",
}
ROW = {
    "claim": BIG.id,
    "subject": "arena",
    "kind": "original",
    "published": 0.99,
    "measured": 0.98,
    "expectation": "1 ± 0.1",
    "margin": 0.08,
    "control": "untrained",
    "control_measured": 0.0,
    "holds": True,
    "status": "pass",
    "reason": "",
    "seconds": 0.5,
}


def read(folder: Path, claim: dict[str, Any] = CLAIM, **changes: Any) -> Ledger:
    """The ledger of one row of schema 1, read from a file."""
    content = {"schema": 1, "environment": {}, "fixtures": {}, "claims": {BIG.id: claim}}
    path = folder / "old.json"
    path.write_text(json.dumps({**content, "rows": [{**ROW, **changes}]}))
    return Ledger.read(path)


def test_words_and_values_are_kept_and_edges_are_not_known(tmp_path: Path) -> None:
    ledger = read(tmp_path)
    (row,) = ledger.rows
    words = {"words": "1 ± 0.1", "because": "spread of two seeds", "parts": None}
    assert (ledger.schema, row.group, row.version, row.outcome) == (2, "arena", None, None)
    assert row.expectation == words
    assert ledger.claims[BIG.id]["expect"]["arena"] == words
    assert ledger.claims[BIG.id]["controls"] == [
        {"name": "untrained", "only": "", "accepted_if": ""}
    ]
    assert row.controls == (ControlResult("untrained", 0.0, False, None, None),)
    assert row.uncontrolled is None
    assert (ledger.claims[BIG.id]["derived"], ledger.claims[BIG.id]["file"]) == ("", None)


def test_an_accepted_control_is_known_by_its_name(tmp_path: Path) -> None:
    (row,) = read(
        tmp_path,
        control="untrained; another head",
        control_measured=[0.0, 0.95],
        status="vacuous",
        reason="control accepted: another head (0.95 is inside 1 ± 0.1 by 0.05)",
    ).rows
    assert [(c.name, c.accepted) for c in row.controls or ()] == [
        ("untrained", False),
        ("another head", True),
    ]


def test_observed_becomes_whether_it_replicates(tmp_path: Path) -> None:
    def status(**changes: Any) -> str:
        return read(tmp_path, status="observed", **changes).rows[0].status

    assert status() == "replicates"
    assert status(holds=False) == "does not replicate"
    assert status(reason="control accepted: untrained (0 is inside)") == "does not replicate"


def test_an_excuse_says_why_the_claim_is_not_asserted(tmp_path: Path) -> None:
    reason = "0.1 is outside; not in all: one seed differs"
    claim = {**CLAIM, "holds_in": 4, "because_not_all": "one seed differs"}
    ledger = read(tmp_path, claim, holds=False, status="observed", reason=reason)
    assert ledger.rows[0].reason == "0.1 is outside"
    assert ledger.claims[BIG.id]["not_asserted"] == "one seed differs"


def test_controls_that_did_not_run_are_none(tmp_path: Path) -> None:
    assert read(tmp_path, control_measured=None).rows[0].controls is None
    assert read(tmp_path, control="").rows[0].controls == ()


def test_an_old_ledger_compares_with_a_new_one(tmp_path: Path) -> None:
    new = sample_ledger.ledger(sample_ledger.row(BIG, "arena", "pass"), claims=(BIG,))
    (change,) = compare(read(tmp_path), new)
    assert (change.kind, change.gates) == ("same", True)
    accepted = sample_ledger.row(BIG, "arena", "vacuous", accepted=True)
    (change,) = compare(read(tmp_path), replace(new, rows=(accepted,)))
    assert change.kind == "flipped"
    other = {**CLAIM, "expectation": {"arena": "1 ± 0.2", "retrained": "≥ 0.5"}}
    with pytest.raises(BadInput, match=r"toys/big \(expectation\)"):
        compare(read(tmp_path, other), new)


def test_a_row_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"old\.json: row of 'toys/big': not one value for each"):
        read(tmp_path, control="a; b")
