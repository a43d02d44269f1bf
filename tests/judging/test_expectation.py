"""The vocabulary of expectations: edges, margins, and values that satisfy nothing."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from replications.judging.expectation import (
    Expectation,
    at_least,
    at_most,
    between,
    each,
    exactly,
    listed,
    near,
    parts,
    ranks,
    to_json,
)

numbers = st.floats(-1e6, 1e6)
positive = st.floats(1e-6, 1e6)
intervals = st.one_of(
    st.builds(lambda x, a: near(x, abs=a), numbers, positive),
    st.builds(lambda x, w: between(x, x + w), numbers, positive),
    st.builds(at_least, numbers),
    st.builds(at_most, numbers),
)


@given(intervals, numbers)
def test_holding_is_a_margin_that_is_not_negative(expectation: Expectation, x: float) -> None:
    verdict = expectation.judge(x)
    assert verdict.holds == (verdict.margin >= 0)


@given(numbers, positive)
def test_near_holds_on_both_edges_and_fails_just_beyond(x: float, width: float) -> None:
    lo, hi = x - width, x + width
    expectation = near(x, abs=width)
    assert expectation.judge(lo).margin == 0
    assert expectation.judge(lo).holds
    assert expectation.judge(hi).margin == 0
    assert expectation.judge(hi).holds
    assert not expectation.judge(math.nextafter(lo, -math.inf)).holds
    assert not expectation.judge(math.nextafter(hi, math.inf)).holds


@given(numbers, numbers)
def test_margins_are_distances_in_the_unit_of_the_value(edge: float, x: float) -> None:
    assert at_least(edge).judge(x).margin == x - edge
    assert at_most(edge).judge(x).margin == edge - x
    expected = 0.0 if x == edge else -abs(x - edge)
    assert exactly(edge).judge(x).margin == expected


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, torch.tensor(math.nan)])
@pytest.mark.parametrize(
    "expectation",
    [near(0, abs=1e300), between(-1e300, 1e300), at_least(-1e300), at_most(1e300), exactly(0)],
    ids=str,
)
def test_a_value_that_is_not_finite_satisfies_nothing(
    expectation: Expectation, value: object
) -> None:
    for judged, measured in [
        (expectation, value),
        (each(expectation), [0.0, value]),
        (parts(a=expectation), {"a": value}),
        (listed(expectation, at_least(0)), [value, 1]),
        (ranks("a"), {"a": value, "b": 0.0}),
        (ranks("a"), {"a": 1.0, "b": value}),
        (exactly([1, 2]), [1, value]),
    ]:
        verdict = judged.judge(measured)
        assert not verdict.holds
        assert math.isnan(verdict.margin)


@pytest.mark.parametrize("value", [True, None, "3", 1j, [3], torch.tensor([1.0, 2.0])])
@pytest.mark.parametrize("expectation", [near(3, abs=1), exactly(3), at_least(0)], ids=str)
def test_what_is_not_a_number_is_a_type_error(expectation: Expectation, value: object) -> None:
    with pytest.raises(TypeError, match="expected"):
        expectation.judge(value)


@pytest.mark.parametrize("value", [3, 3.0, np.float32(3), np.int64(3), torch.tensor(3.0)])
def test_scalars_of_every_library_are_numbers(value: object) -> None:
    assert exactly(3).judge(value).holds
    assert near(3, rel=0.1).judge(value).margin == pytest.approx(0.3)


@pytest.mark.parametrize(
    "build",
    [
        lambda: near(1),
        lambda: near(1, abs=0.1, rel=0.1),
        lambda: near(1, abs=0),
        lambda: near(1, abs=-1),
        lambda: near(1, abs=math.nan),
        lambda: near(0, rel=0.1),
        lambda: near(math.nan, abs=1),
        lambda: between(2, 1),
        lambda: at_least(math.inf),
        lambda: exactly(math.nan),
        lambda: exactly([1, math.nan]),
        lambda: parts(),
        lambda: listed(),
        lambda: ranks(),
        lambda: ranks("a", "a"),
        lambda: ranks("a", factor=0.5),
    ],
)
def test_an_expectation_that_makes_no_sense_is_refused(build: object) -> None:
    with pytest.raises(ValueError, match=r"exactly one|must be|needs"):
        build()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("expectation", "words"),
    [
        (near(-0.9974, abs=5e-4), "-0.9974 ± 0.0005"),
        (near(3, rel=0.05), "3 ± 5%"),
        (at_least(0.99), "≥ 0.99"),
        (at_most(-0.9), "≤ -0.9"),
        (between(0.45, 0.65), "0.45 … 0.65"),
        (exactly(5000), "= 5000"),
        (exactly([[0, 3], ["a"]]), "= [[0, 3], [a]]"),
        (each(at_least(0)), "each ≥ 0"),
        (parts(r2=at_least(0.9), n=exactly(3)), "r2 ≥ 0.9; n = 3"),
        (listed(at_least(1), at_most(2)), "[≥ 1, ≤ 2]"),
        (ranks("2.0", "2.1"), "2.0, 2.1 > others"),
        (ranks("a", "b", ordered=True, factor=2), "a > b > 2 × others"),
    ],
)
def test_expectations_read_as_text(expectation: Expectation, words: str) -> None:
    assert str(expectation) == words


def test_the_reason_for_a_tolerance_is_kept() -> None:
    assert near(1, abs=0.1, because="cutoffs 1e-7 to 1e-2").because == "cutoffs 1e-7 to 1e-2"
    assert parts(a=at_least(1), because="why").because == "why"


def test_exactly_compares_lists_of_numbers_and_strings() -> None:
    expectation = exactly([[0, 3, 4, 2], ["()"]])
    assert expectation.judge([torch.tensor([0, 3, 4, 2]), ["()"]]).margin == 0
    wrong = expectation.judge([[0, 3, 4, 1], ["()"]])
    assert not wrong.holds
    assert math.isnan(wrong.margin)
    assert not exactly([1, 2]).judge([1, 2, 3]).holds
    with pytest.raises(TypeError, match="expected a sequence"):
        exactly([1]).judge(1)
    with pytest.raises(TypeError, match="expected a string"):
        exactly("2.0").judge(2.0)


def test_a_sequence_holds_when_every_item_does_and_an_empty_one_never() -> None:
    expectation = each(at_least(1))
    assert expectation.judge([3, 1.5, 2]).margin == 0.5
    failed = expectation.judge(torch.tensor([3.0, 0.0]))
    assert failed.margin == -1
    assert "item 1" in failed.why
    assert not expectation.judge([]).holds
    assert math.isnan(expectation.judge(torch.empty(0)).margin)
    for wrong in ("text", {"a": 1}, 3):
        with pytest.raises(TypeError, match="expected a sequence"):
            expectation.judge(wrong)


def test_parts_name_the_failing_or_the_tightest_part() -> None:
    expectation = parts(left=at_least(1), right=at_most(5))
    assert expectation.names == ("left", "right")
    held = expectation.judge({"right": 4.5, "left": 3})
    assert held.holds
    assert held.margin == 0.5
    assert "right" in held.why
    failed = expectation.judge({"left": 0, "right": 4.9})
    assert not failed.holds
    assert failed.margin == -1
    assert "left" in failed.why
    with pytest.raises(KeyError, match="missing \\['right'\\], unexpected \\['wrong'\\]"):
        expectation.judge({"left": 1, "wrong": 2})
    with pytest.raises(TypeError, match="expected a mapping"):
        expectation.judge([1, 2])


def test_a_failing_part_counts_even_where_another_has_no_margin() -> None:
    expectation = parts(same=exactly([1, 2]), big=at_least(1))
    verdict = expectation.judge({"same": [1, 3], "big": 5})
    assert not verdict.holds
    assert math.isnan(verdict.margin)
    assert "same" in verdict.why


def test_listed_judges_item_by_item() -> None:
    expectation = listed(near(1, abs=0.1), exactly(2))
    assert expectation.judge([1.05, 2]).holds
    assert "item 1" in expectation.judge([1.05, 3]).why
    with pytest.raises(ValueError, match="expected 2 items, got 3"):
        expectation.judge([1, 2, 3])


@given(st.dictionaries(st.sampled_from("abcdef"), numbers, min_size=2), st.integers(1, 3))
def test_ranks_agree_with_sorting(values: dict[str, float], k: int) -> None:
    k = min(k, len(values) - 1)
    descending = sorted(values, key=lambda name: -values[name])
    top, rest = descending[:k], descending[k:]
    separate = values[top[-1]] > values[rest[0]]
    assert ranks(*reversed(top)).judge(values).holds == separate
    assert not ranks(rest[0]).judge(values).holds
    strict = all(values[a] > values[b] for a, b in zip(top, descending[1:], strict=False))
    assert ranks(*top, ordered=True).judge(values).holds == strict
    if separate:
        assert ranks(*top).judge(values).margin == values[top[-1]] - values[rest[0]]


def test_a_rank_needs_the_factor_and_never_holds_on_a_tie() -> None:
    values = {"2.0": 10.0, "2.1": 16.0, "mlp0": 3.0}
    assert ranks("2.0", "2.1", factor=3).judge(values).margin == 1.0
    assert ranks("2.0", "2.1", factor=4).judge(values).margin == -2.0
    assert not ranks("2.0", "2.1", ordered=True).judge(values).holds
    assert not ranks("a").judge({"a": 0.0, "b": 0.0}).holds
    assert not ranks("a", factor=2).judge({"a": -1.0, "b": -0.9}).holds
    with pytest.raises(KeyError, match=r"9\.9"):
        ranks("9.9").judge(values)
    with pytest.raises(ValueError, match="nothing to compare"):
        ranks("a").judge({"a": 1.0})


@given(numbers, positive, numbers)
def test_no_expectation_accepts_everything(x: float, width: float, other: float) -> None:
    for expectation in (near(x, abs=width), between(x, x + width), exactly(x)):
        far = x + 3 * width + 1
        assert not expectation.judge(far).holds
        assert not expectation.judge(x - 3 * width - 1).holds


def test_values_become_json_types() -> None:
    measured = {"a": torch.tensor(2), "b": [np.float32(0.5), math.nan], "c": "x"}
    assert to_json(measured) == [2, [0.5, "nan"], "x"]
    assert type(to_json(np.int64(3))) is int
    assert type(to_json(3)) is int
    assert to_json([math.inf, -math.inf]) == ["inf", "-inf"]
    assert to_json(torch.ones(2, 2)) == [[1.0, 1.0], [1.0, 1.0]]
    assert json.dumps(to_json(measured), allow_nan=False)
    with pytest.raises(TypeError):
        to_json(object())


@pytest.mark.parametrize(
    ("expectation", "parts_of"),
    [
        (near(2, abs=0.5), [("", [], "interval", 1.5, 2.5, False)]),
        (at_most(3), [("", [], "interval", None, 3, False)]),
        (exactly(5), [("", [], "exactly", 5, 5, False)]),
        (exactly("x"), [("", [], "exactly", None, None, False)]),
        (ranks("a"), [("", [], "ranks", None, None, False)]),
        (each(at_least(1)), [("", [], "interval", 1, None, True)]),
        (each(listed(at_least(1))), [("", [], "each", None, None, False)]),
        (
            parts(a=at_least(1), b=listed(at_most(2), each(exactly(3)))),
            [
                ("a", [0], "interval", 1, None, False),
                ("b item 0", [1, 0], "interval", None, 2, False),
                ("b item 1", [1, 1], "exactly", 3, 3, True),
            ],
        ),
    ],
    ids=str,
)
def test_an_expectation_knows_its_edges_as_data(
    expectation: Expectation, parts_of: list[object]
) -> None:
    data = expectation.data()
    assert data["words"] == str(expectation)
    keys = ("name", "at", "kind", "low", "high", "every")
    assert [tuple(part[key] for key in keys) for part in data["parts"]] == parts_of
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_a_compound_is_judged_part_by_part() -> None:
    verdict = parts(a=at_least(1), b=listed(at_most(2), exactly(3))).judge({"a": 0, "b": [1, 3]})
    assert [(p.name, p.holds, p.margin) for p in verdict.parts] == [
        ("a", False, -1),
        ("b item 0", True, 1),
        ("b item 1", True, 0),
    ]
    assert verdict.rejected_parts == ("a",)
    assert at_least(1).judge(0).parts == ()
    broken = parts(a=at_least(1), b=at_least(1)).judge({"a": math.nan, "b": 0})
    assert broken.rejected_parts == ("b",)  # a value that is not finite was not rejected
