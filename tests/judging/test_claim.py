"""Claims: what is refused when one is written, and every status a judgement can have."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from replications.errors import FixtureCorrupt, FixtureLost, FixtureMissing, Unsupported
from replications.judging.claim import Claim, Source, SubjectInfo, claim
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
from replications.judging.outcome import Outcome
from replications.judging.row import ControlResult, Row
from replications.judging.verdict import ControlFailed, judge

SOURCE = Source("A document", "https://example.org/a")
GATING = SubjectInfo("toys", "arena", "arena", "original", True, (), "run: fetch it")
OTHER = SubjectInfo("toys", "retrained/seed3", "retrained", "retrained", False, ())


@dataclass(frozen=True)
class Toy:
    value: Any


UNTRAINED = on("untrained weights", lambda toy: Toy(0.0))


def written(**changes: Any) -> Any:
    """The claim "value ≥ 0.5" with some of its fields changed."""
    given: dict[str, Any] = {
        "says": "The value is large.",
        "source": SOURCE / "3 > Values",
        "tier": 1,
        "published": 0.9,
        "expect": {"arena": at_least(0.5), "retrained": at_least(0.5)},
        "control": UNTRAINED,
        **changes,
    }
    measure = given.pop("measure", lambda toy: toy.value)
    return claim(given.pop("id", "toys/value"), **given)(measure).claim  # type: ignore[attr-defined]


# ---- writing one -------------------------------------------------------------------------------


def test_a_claim_is_kept_on_the_function_it_decorates() -> None:
    made = written()
    assert made.system == "toys"
    assert made.parts is None
    assert made.source == Source("A document", "https://example.org/a", "3 > Values")
    assert (made.source / "b").section == "3 > Values > b"
    assert made.measure(Toy(3)) == 3


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"id": "value"}, "system/slug"),
        ({"asserted_of": ("toy",)}, "asserted_of names a group that is not expected"),
        (
            {"asserted_of": ("retrained",), "not_asserted": "it is too vague"},
            "asserted_of and not_asserted exclude each other",
        ),
        ({"id": "toys/a b"}, "system/slug"),
        ({"says": "No full stop"}, "one sentence"),
        ({"says": "Two\nlines."}, "one sentence"),
        ({"source": "ARENA"}, "Source"),
        ({"tier": 3}, "tier"),
        ({"published": math.nan}, "published"),
        ({"published": [1, "two"]}, "published"),
        ({"published": ""}, "published"),
        ({"expect": {}}, "expect is empty"),
        ({"expect": {"arena": 3}}, "map each group to one"),
        ({"expect": 3}, "must be an expectation"),
        ({"version": 0}, "version"),
        ({"control": on("x", lambda toy: toy, only="gone")}, "group that is not expected"),
        ({"expect": {"a": parts(x=at_least(1)), "b": parts(y=at_least(1))}}, "different names"),
        ({"control": None}, "exactly one of control"),
        ({"no_control": "an identity"}, "exactly one of control"),
        ({"control": ("untrained",)}, "one Control or a tuple"),
        ({"control": (UNTRAINED, UNTRAINED)}, "two controls"),
        ({"published": None, "derived": "0.9 / 1"}, "so published must be given"),
    ],
)
def test_a_malformed_claim_is_refused_by_name(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        written(**change)
    assert repr(change.get("id", "toys/value")) in str(caught.value)


@pytest.mark.parametrize("published", [3, -0.9, [1, 2.5], "about 0.5", "qualitative", None])
def test_published_values_may_be_numbers_words_or_absent(published: Any) -> None:
    assert written(published=published).published == published


def test_one_expectation_is_that_of_every_group_and_tier_1_is_the_default() -> None:
    def measure(toy: Toy) -> Any:
        return toy.value

    claim(
        "toys/value",
        says="The value is large.",
        source=SOURCE,
        expect=at_least(0.5),
        control=UNTRAINED,
    )(measure)
    made = measure.claim  # type: ignore[attr-defined]
    assert made.tier == 1
    assert made.unknown_groups([]) == []
    assert [made.expectation_of(group) for group in ("arena", "retrained")] == [at_least(0.5)] * 2
    assert judge(made, OTHER, Toy(0.75)).holds
    assert not judge(made, GATING, Toy(0.25)).holds


def test_a_group_that_is_not_expected_cannot_be_judged() -> None:
    made = written(expect={"retrained": at_least(0.5)})
    assert made.expectation_of("arena") is None
    assert made.unknown_groups(["arena"]) == ["retrained"]
    with pytest.raises(KeyError, match="expects nothing of the group 'arena'"):
        judge(made, GATING, Toy(0.75))


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


# ---- compared with what is recorded ------------------------------------------------------------


def recorded(made: Claim, info: SubjectInfo, value: Any, **changes: Any) -> Outcome:
    """The outcome that says what is found of `made` on a subject of this value."""
    found = judge(made, info, Toy(value)).found
    assert found is not None
    return replace(found, **{"reason": "the first run", **changes})


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
