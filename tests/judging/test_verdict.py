"""Every status that a judgement can have."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import pytest

from replications.errors import FixtureCorrupt, FixtureLost, FixtureMissing, Unsound, Unsupported
from replications.judging.claim import SubjectInfo
from replications.judging.control import Control, instead, on
from replications.judging.expectation import (
    Expectation,
    at_least,
    at_most,
    each,
    exactly,
    listed,
    near,
    parts,
)
from replications.judging.row import ControlResult, Row
from replications.judging.verdict import ControlFailed, judge
from tests.judging.toy_claims import GATING, OTHER, UNTRAINED, Toy, recorded, written

# ---- judging one -------------------------------------------------------------------------------


def test_a_row_has_the_fields_of_the_ledger_in_order() -> None:
    assert [f.name for f in fields(Row)] == [
        *("claim", "version", "subject", "group", "kind", "published", "measured"),
        *("expectation", "margin", "controls", "uncontrolled", "outcome", "holds", "status"),
        *("reason", "remedy", "seconds"),
    ]


def test_pass_needs_the_claim_to_hold_and_its_control_to_be_rejected() -> None:
    row = judge(written(), GATING, Toy(0.75))
    assert (row.status, row.holds, row.margin, row.reason) == ("pass", True, 0.25, "")
    assert row.controls == (ControlResult("untrained weights", 0.0, False, (), -0.5),)
    assert row.expectation == at_least(0.5).data()
    assert (row.published, row.kind, row.group, row.version) == (0.9, "original", "arena", 1)
    assert (row.outcome, row.uncontrolled, row.remedy) == (None, (), "")
    assert row.replicates
    assert row.seconds >= 0


def test_a_claim_that_does_not_hold_fails() -> None:
    row = judge(written(), GATING, Toy(0.25))
    assert (row.status, row.holds, row.margin) == ("fail", False, -0.25)
    assert "0.25 is outside ≥ 0.5" in row.reason
    assert not row.replicates


def test_an_accepted_control_makes_the_claim_vacuous() -> None:
    accepted = instead("another head", lambda toy: 0.6)
    row = judge(written(control=(UNTRAINED, accepted)), GATING, Toy(0.75))
    assert row.status == "vacuous"
    assert "another head" in row.reason
    assert "untrained" not in row.reason
    assert not row.replicates
    assert [(c.name, c.measured, c.accepted) for c in row.controls or ()] == [
        ("untrained weights", 0.0, False),
        ("another head", 0.6, True),
    ]


def test_the_parts_that_a_control_rejected_are_named() -> None:
    made = written(
        expect=parts(left=at_least(1), right=at_least(1), small=at_most(9)),
        control=on("halved", lambda toy: Toy({k: v / 2 for k, v in toy.value.items()})),
    )
    row = judge(made, GATING, Toy({"left": 4.0, "right": 1.5, "small": 1.0}))
    assert row.controls == (ControlResult("halved", [2.0, 0.75, 0.5], False, ("right",), -0.25),)
    row = judge(made, GATING, Toy({"left": 1.0, "right": 1.0, "small": 1.0}))
    assert row.controls is not None
    assert row.controls[0].rejected_parts == ("left", "right")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_control_that_is_not_finite_is_no_rejection(value: float) -> None:
    row = judge(written(control=instead("broken", lambda toy: value)), GATING, Toy(0.75))
    assert row.status == "vacuous"
    assert "not finite" in row.reason
    (control,) = row.controls or ()
    assert control.measured in ("nan", "inf")
    assert (control.accepted, control.margin) == (True, None)


def test_a_nan_in_one_part_of_a_control_is_no_rejection() -> None:
    made = written(
        expect={"arena": parts(left=at_least(1), right=at_least(1))},
        measure=lambda toy: {"right": toy.value, "left": 2},
        control=instead("broken", lambda toy: {"left": 0.0, "right": math.nan}),
    )
    row = judge(made, GATING, Toy(3))
    assert row.status == "vacuous"
    assert row.controls == (ControlResult("broken", [0.0, "nan"], True, ("left",), None),)
    assert row.measured == [2, 3]  # in the order the claim names the parts


def test_a_measured_nan_fails_and_has_no_margin() -> None:
    row = judge(written(), GATING, Toy(math.nan))
    assert (row.status, row.measured, row.margin) == ("fail", "nan", None)


def test_a_control_that_raises_is_an_error_and_never_a_rejection() -> None:
    made = written(control=Control("crashing", lambda toy, measure: 1 / 0))
    with pytest.raises(ControlFailed, match="'crashing' raised ZeroDivisionError") as caught:
        judge(made, GATING, Toy(0.75))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert Row.for_exception(made, GATING, caught.value, 0.1).status == "error"


def test_a_control_that_misses_a_file_is_an_error_and_not_a_skip() -> None:
    def missing(toy: Toy) -> float:
        raise FixtureMissing("toys/other.pt is not here")

    with pytest.raises(ControlFailed) as caught:
        judge(written(control=instead("other weights", missing)), GATING, Toy(0.75))
    assert Row.for_exception(written(), GATING, caught.value, 0).status == "error"


# ---- every part is controlled ------------------------------------------------------------------


def sides(**changes: Any) -> Any:
    """A claim of two parts, `left` and `right`, whose one control rejects the left only."""
    return written(
        expect=parts(left=at_least(1), right=at_least(1)),
        control=on("without left", lambda toy: Toy({**toy.value, "left": 0.0})),
        **changes,
    )


BOTH = {"left": 2.0, "right": 3.0}


def test_a_part_that_no_control_rejects_makes_the_claim_vacuous() -> None:
    row = judge(sides(), GATING, Toy(BOTH))
    assert (row.status, row.holds, row.replicates) == ("vacuous", True, False)
    assert row.uncontrolled == ("right",)
    assert row.reason == "no control rejects the parts: right"
    assert not row.control_accepted  # the control as a whole is rejected


def test_several_controls_together_may_reject_all_parts() -> None:
    (left,) = sides().controls
    right = on("without right", lambda toy: Toy({**toy.value, "right": 0.0}))
    row = judge(replace(sides(), controls=(left, right)), GATING, Toy(BOTH))
    assert (row.status, row.uncontrolled) == ("pass", ())


def test_a_part_that_is_not_finite_is_not_rejected() -> None:
    broken = on("broken", lambda toy: Toy({"left": 0.0, "right": math.nan}))
    row = judge(replace(sides(), controls=(broken,)), GATING, Toy(BOTH))
    assert (row.status, row.uncontrolled) == ("vacuous", ("right",))


def test_items_of_a_list_are_parts_and_a_sequence_of_equals_is_one() -> None:
    first = on("other first", lambda toy: Toy([0.0, *toy.value[1:]]))
    row = judge(written(expect=listed(exactly(1), exactly(2)), control=first), GATING, Toy([1, 2]))
    assert (row.status, row.uncontrolled) == ("vacuous", ("item 1",))
    row = judge(written(expect=each(at_least(1)), control=first), GATING, Toy([1, 2]))
    assert (row.status, row.uncontrolled) == ("pass", ())


def test_where_it_is_recorded_an_uncontrolled_part_does_not_replicate() -> None:
    made = sides()
    row = judge(made, OTHER, Toy(BOTH), recorded=recorded(made, OTHER, BOTH))
    assert (row.status, row.uncontrolled) == ("does not replicate", ("right",))
    row = judge(made, OTHER, Toy(BOTH), recorded=recorded(made, OTHER, BOTH, uncontrolled=()))
    assert row.status == "changed"
    assert "part 'right' is rejected by no control now" in row.reason


def test_without_controls_nothing_is_known_of_the_parts() -> None:
    assert judge(sides(), GATING, Toy(BOTH), controls=False).uncontrolled is None
    free = replace(sides(), controls=(), no_control="an identity")
    assert judge(free, GATING, Toy(BOTH)).uncontrolled == ()


# ---- without controls, on lesions, not at all --------------------------------------------------


def test_controls_can_be_left_out_and_the_row_says_so() -> None:
    row = judge(written(), GATING, Toy(0.75), controls=False)
    assert (row.status, row.controls, row.controls_skipped) == ("pass", None, True)
    without = written(control=None, no_control="an identity")
    free = judge(without, GATING, Toy(0.75), controls=False)
    assert (free.status, free.controls, free.controls_skipped) == ("pass", (), False)


@pytest.mark.parametrize(("info", "status"), [(GATING, "fail"), (OTHER, "error")])
def test_an_accepted_control_is_told_also_where_the_claim_does_not_hold(
    info: SubjectInfo, status: str
) -> None:
    row = judge(written(control=instead("any", lambda toy: 1)), info, Toy(0.25))
    assert (row.status, row.holds, row.control_accepted) == (status, False, True)
    assert "0.25 is outside ≥ 0.5" in row.reason


@pytest.mark.parametrize(("value", "status"), [(0.75, "replicates"), (0.25, "does not replicate")])
def test_of_a_lesion_nothing_is_asserted_or_recorded(value: float, status: str) -> None:
    recording = recorded(written(), GATING, 5.0)
    row = judge(written(), GATING, Toy(value), lesion=True, recorded=recording)
    assert (row.status, row.holds) == (status, value > 0.5)
    assert [c.accepted for c in row.controls or ()] == [False]


@pytest.mark.parametrize(
    ("exc", "status", "reason"),
    [
        (FixtureMissing("no file"), "skip", "no file (run: fetch it)"),
        (FixtureLost("no file of ours"), "error", "FixtureLost: no file of ours"),
        (FixtureMissing("no file; run: fetch it"), "skip", "no file; run: fetch it"),
        (Unsupported("too old"), "unsupported", "too old"),
        (Unsound("not the weights"), "error", "Unsound: not the weights"),
        (FixtureCorrupt("wrong\nbytes"), "error", "FixtureCorrupt: wrong bytes"),
        (KeyError("x"), "error", "KeyError: 'x'"),
    ],
)
def test_what_could_not_be_judged_has_a_row_too(exc: Exception, status: str, reason: str) -> None:
    row = Row.for_exception(written(), GATING, exc, 1.5)
    assert (row.status, row.reason, row.seconds) == (status, reason, 1.5)
    assert (row.holds, row.measured, row.margin, row.controls) == (None, None, None, None)
    assert row.expectation == at_least(0.5).data()
    assert row.remedy == ("run: fetch it" if "(" in reason else "")
    assert not row.replicates
    assert not row.controls_skipped


def test_what_the_measurement_raises_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        judge(written(measure=lambda toy: 1 / 0), GATING, Toy(1))
    with pytest.raises(TypeError, match="expected a number"):
        judge(written(), GATING, Toy("text"))


@pytest.mark.parametrize("expectation", [near(0.75, abs=0.1), exactly(0.75)], ids=str)
def test_each_group_has_its_own_expectation(expectation: Expectation) -> None:
    made = written(expect={"arena": at_least(5), "retrained": expectation})
    assert judge(made, OTHER, Toy(0.75)).holds
    assert not judge(made, GATING, Toy(0.75)).holds
