"""A judgement compared with its recorded outcome."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from replications.judging.claim import SubjectInfo
from replications.judging.control import instead, on
from replications.judging.verdict import judge
from tests.judging.toy_claims import GATING, OTHER, Toy, recorded, written


@pytest.mark.parametrize(("value", "status"), [(0.75, "replicates"), (0.25, "does not replicate")])
def test_a_row_that_is_not_asserted_has_the_status_that_was_recorded(
    value: float, status: str
) -> None:
    vague = written(not_asserted="the document is too vague to fail here")
    for made, info in ((written(), OTHER), (vague, GATING)):
        outcome = recorded(made, info, value)
        row = judge(made, info, Toy(value), recorded=outcome)
        assert (row.status, row.holds) == (status, value > 0.5)
        assert row.replicates == (status == "replicates")
        assert row.outcome == outcome.data()
        assert row.outcome["reason"] == "the first run"


@pytest.mark.parametrize(("value", "status"), [(0.75, "pass"), (0.25, "fail")])
def test_a_claim_can_be_asserted_of_a_group_that_does_not_gate(value: float, status: str) -> None:
    everywhere = written(asserted_of=("retrained",))
    assert everywhere.gates(OTHER)
    assert not written().gates(OTHER)
    assert judge(everywhere, OTHER, Toy(value)).status == status


@pytest.mark.parametrize("value", [0.75, 0.25])
def test_a_row_that_is_neither_asserted_nor_recorded_is_an_error(value: float) -> None:
    row = judge(written(), OTHER, Toy(value))
    assert (row.status, row.holds) == ("error", value > 0.5)
    assert row.reason.startswith("no outcome is recorded: write a ledger with --claims-json")
    assert row.found is not None  # so that it can be recorded
    before_versions = replace(row, version=None).found  # as in a ledger of schema 1
    assert before_versions is not None
    assert before_versions.version == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"holds": False}, "holds now"),
        ({"measured": 0.75 + 1e-3}, "the value moved from 0.751 to 0.75, by up to 0.001 (noise"),
        ({"measured": [0.75]}, "the value moved from [0.75] to 0.75"),
        ({"version": 2}, "recorded for version 2 of the claim, not 1"),
        ({"accepted": ("untrained weights",)}, "'untrained weights' is not accepted any more"),
        ({"accepted": ("gone",)}, "control 'gone' is not accepted any more"),
        ({"uncontrolled": ("left",)}, "part 'left' is rejected now"),
    ],
)
@pytest.mark.parametrize("info", [GATING, OTHER], ids=["asserted", "recorded"])
def test_a_departure_from_the_record_is_told(
    change: dict[str, Any], said: str, info: SubjectInfo
) -> None:
    outcome = recorded(written(), info, 0.75, **change)
    row = judge(written(), info, Toy(0.75), recorded=outcome)
    assert row.status == "changed"
    assert said in row.reason


def test_a_value_may_move_by_noise() -> None:
    outcome = recorded(written(), OTHER, 0.75)
    assert judge(written(), OTHER, Toy(0.75 + 1e-5), recorded=outcome).status == "replicates"
    assert judge(written(), OTHER, Toy(0.75 + 1e-3), recorded=outcome).status == "changed"


def test_a_failure_of_what_is_asserted_is_more_than_a_change() -> None:
    outcome = recorded(written(), GATING, 0.75)
    row = judge(written(), GATING, Toy(0.25), recorded=outcome)
    assert row.status == "fail"
    assert row.reason.startswith("does not hold any more; the value moved from 0.75 to 0.25")
    assert row.reason.endswith("0.25 is outside ≥ 0.5 by 0.25")


def test_a_control_that_was_rejected_and_is_accepted_now_is_a_change() -> None:
    outcome = recorded(written(), OTHER, 0.75)
    other = written(control=on("untrained weights", lambda toy: toy))
    row = judge(other, OTHER, Toy(0.75), recorded=outcome)
    assert (row.status, row.replicates) == ("changed", False)
    assert "control 'untrained weights' is accepted now" in row.reason


def test_a_row_whose_control_is_accepted_does_not_replicate() -> None:
    made = written(control=instead("any", lambda toy: 1))
    row = judge(made, OTHER, Toy(0.75), recorded=recorded(made, OTHER, 0.75))
    assert (row.status, row.holds, row.replicates) == ("does not replicate", True, False)
    assert row.reason.startswith("control accepted: any")
    assert row.found is not None
    assert row.found.accepted == ("any",)


def test_controls_that_did_not_run_are_not_compared() -> None:
    made = written(control=instead("any", lambda toy: 1))
    outcome = recorded(made, OTHER, 0.75)
    assert judge(made, OTHER, Toy(0.75), recorded=outcome, controls=False).status == "replicates"
    moved = judge(made, OTHER, Toy(0.85), recorded=outcome, controls=False)
    assert moved.status == "changed"
    assert "control" not in moved.reason
