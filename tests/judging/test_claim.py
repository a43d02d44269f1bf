"""What is refused when a claim is written."""

from __future__ import annotations

import math
from typing import Any

import pytest

from replications.judging.claim import Source, claim
from replications.judging.control import on
from replications.judging.expectation import (
    at_least,
    parts,
)
from replications.judging.verdict import judge
from tests.judging.toy_claims import GATING, OTHER, SOURCE, UNTRAINED, Toy, written


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
