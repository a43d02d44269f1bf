"""Claims: what is refused when one is written, and every status a judgement can have."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import pytest

from replications.errors import FixtureCorrupt, FixtureMissing, Unsupported
from replications.judging.claim import Source, SubjectInfo, claim
from replications.judging.control import Control, instead, on
from replications.judging.expectation import (
    Expectation,
    at_least,
    at_most,
    exactly,
    near,
    parts,
)
from replications.judging.row import ControlResult, Row
from replications.judging.verdict import ControlFailed, judge

SOURCE = Source("A document", "https://example.org/a")
GATING = SubjectInfo("toys", "arena", "arena", "original", True, (), "run: fetch it")
OBSERVED = SubjectInfo("toys", "retrained/seed3", "retrained", "retrained", False, ())


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
        ({"holds_in": 4}, "because_not_all= together"),
        ({"because_not_all": "seed 3 differs"}, "because_not_all= together"),
        ({"holds_in": 0, "because_not_all": "none"}, "at least 1"),
        ({"holds_in": 4, "because_not_all": "one", "observe": "vague"}, "observe= never gates"),
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
    assert judge(made, OBSERVED, Toy(0.75)).holds
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
        *("expectation", "margin", "controls", "outcome", "holds", "status", "reason"),
        *("excuse", "remedy", "seconds"),
    ]


def test_pass_needs_the_claim_to_hold_and_its_control_to_be_rejected() -> None:
    row = judge(written(), GATING, Toy(0.75))
    assert (row.status, row.holds, row.margin, row.reason) == ("pass", True, 0.25, "")
    assert row.controls == (ControlResult("untrained weights", 0.0, False, (), -0.5),)
    assert row.expectation == at_least(0.5).data()
    assert (row.published, row.kind, row.group, row.version) == (0.9, "original", "arena", 1)
    assert (row.outcome, row.excuse, row.remedy) == (None, "", "")
    assert row.replicates
    assert row.seconds >= 0


def test_a_claim_that_does_not_hold_fails() -> None:
    row = judge(written(), GATING, Toy(0.25))
    assert (row.status, row.holds, row.margin) == ("fail", False, -0.25)
    assert "0.25 is outside ≥ 0.5" in row.reason
    assert not row.replicates


def test_a_claim_that_need_not_hold_in_all_is_observed_where_it_does_not() -> None:
    made = written(holds_in=4, because_not_all="one seed found another way")
    row = judge(made, GATING, Toy(0.25))
    assert (row.status, row.holds, row.margin) == ("observed", False, -0.25)
    assert row.reason == "0.25 is outside ≥ 0.5 by 0.25"
    assert row.excuse == "one seed found another way"
    held = judge(made, GATING, Toy(0.75))
    assert (held.status, held.excuse) == ("pass", "")
    assert judge(made, OBSERVED, Toy(0.25)).excuse == ""
    assert judge(made, GATING, Toy(0.25), lesion=True).excuse == ""


def test_an_accepted_control_is_not_excused() -> None:
    made = written(holds_in=4, because_not_all="one seed", control=on("large", lambda t: Toy(1.0)))
    assert judge(made, GATING, Toy(0.75)).status == "vacuous"
    assert judge(made, GATING, Toy(0.25)).status == "fail"


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
        measure=lambda toy: toy.value,
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


@pytest.mark.parametrize(("value", "holds"), [(0.75, True), (0.25, False)])
def test_a_subject_that_does_not_gate_is_observed_whatever_holds(value: float, holds: bool) -> None:
    row = judge(written(), OBSERVED, Toy(value))
    assert (row.status, row.holds, row.replicates) == ("observed", holds, holds)


def test_a_claim_that_is_only_recorded_never_gates() -> None:
    made = written(observe="the document is too vague to fail here")
    for value, holds in ((0.75, True), (0.25, False)):
        row = judge(made, GATING, Toy(value))
        assert (row.status, row.holds) == ("observed", holds)


def test_an_observed_row_whose_control_was_accepted_does_not_replicate() -> None:
    row = judge(written(control=instead("any", lambda toy: 1)), OBSERVED, Toy(0.75))
    assert row.status == "observed"
    assert row.holds
    assert not row.replicates
    assert row.reason.startswith("control accepted: any")


def test_controls_can_be_left_out_and_the_row_says_so() -> None:
    row = judge(written(), GATING, Toy(0.75), controls=False)
    assert (row.status, row.controls, row.controls_skipped) == ("pass", None, True)
    without = written(control=None, no_control="an identity")
    free = judge(without, GATING, Toy(0.75), controls=False)
    assert (free.status, free.controls, free.controls_skipped) == ("pass", (), False)


@pytest.mark.parametrize(("info", "status"), [(GATING, "fail"), (OBSERVED, "observed")])
def test_an_accepted_control_is_told_also_where_the_claim_does_not_hold(
    info: SubjectInfo, status: str
) -> None:
    row = judge(written(control=instead("any", lambda toy: 1)), info, Toy(0.25))
    assert (row.status, row.holds, row.control_accepted) == (status, False, True)
    assert "0.25 is outside ≥ 0.5" in row.reason


def test_a_lesioned_subject_is_observed_without_controls() -> None:
    row = judge(written(), GATING, Toy(0.25), lesion=True)
    assert (row.status, row.holds, row.controls) == ("observed", False, None)


@pytest.mark.parametrize(
    ("exc", "status", "reason"),
    [
        (FixtureMissing("no file"), "skip", "no file (run: fetch it)"),
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
    assert judge(made, OBSERVED, Toy(0.75)).holds
    assert not judge(made, GATING, Toy(0.75)).holds
