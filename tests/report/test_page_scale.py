"""The number line of a claim: drawn from the edges in a ledger, and never drawn wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

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
)
from replications.judging.values import to_json
from replications.report import board
from replications.report.page.edges import deciding
from replications.report.page.scale import INSET, WIDTH, scale
from tests.sample_ledger import BIG, ledger, row


@pytest.mark.parametrize(
    ("expectation", "measured", "value", "name"),
    [
        (near(-0.9974434376, abs=1e-4), -0.99743, -0.99743, ""),
        (near(0.5, rel=0.03), 0.51, 0.51, ""),
        (between(-2, 3e-7), 1e-7, 1e-7, ""),
        (at_least(1e-5), 2.5e-5, 2.5e-5, ""),
        (at_most(0.02), 0.5, 0.5, ""),
        (exactly(5000), 4998, 4998, ""),
        (each(at_least(0.5)), [0.9, 0.25, 0.8], 0.25, ""),
        (listed(near(1, abs=0.5), at_most(2)), [1.25, 1.9], 1.9, "item 1"),
        (parts(left=at_least(0), right=between(0, 1)), {"left": 3, "right": 0.75}, 0.75, "right"),
    ],
)
def test_the_number_that_decides_a_margin_is_found(
    expectation: Expectation, measured: Any, value: float, name: str
) -> None:
    judged = judged_row(expectation, measured)
    found = deciding(judged)
    assert found is not None
    assert (found.value, found.name) == (value, name)
    assert found.edges.margin(found.value) == judged.margin


@pytest.mark.parametrize(
    ("expectation", "measured"),
    [
        (ranks("a", factor=2), {"a": 3.0, "b": 1.0}),
        (exactly([1, 2]), [1, 2]),
        (parts(a=at_least(0), b=exactly("x")), {"a": 1.0, "b": "x"}),
    ],
)
def test_what_is_not_an_interval_has_no_number_line(
    expectation: Expectation, measured: Any
) -> None:
    assert deciding(judged_row(expectation, measured)) is None


def test_edges_that_do_not_give_the_margin_of_the_row_are_not_drawn() -> None:
    judged = judged_row(at_least(1), 3)
    assert deciding(judged) is not None
    assert deciding(replace(judged, margin=0.5)) is None


def test_an_old_ledger_that_does_not_know_the_edges_has_no_number_line() -> None:
    words = {"words": "≥ 1", "because": "", "parts": None}
    assert deciding(replace(judged_row(at_least(1), 3), expectation=words)) is None


def test_a_part_within_a_part_is_found_by_its_path() -> None:
    pair = listed(at_least(0), at_least(1))
    found = deciding(judged_row(parts(one=exactly(3), pair=pair), {"one": 3.5, "pair": [0.5, 1.2]}))
    assert found is not None
    assert (found.name, found.at, found.value) == ("one", (0,), 3.5)
    found = deciding(judged_row(parts(one=at_least(1), pair=pair), {"one": 3, "pair": [0.5, 1.2]}))
    assert found is not None
    assert (found.name, found.at, found.value) == ("pair item 1", (1, 1), 1.2)
    assert found.in_([0, [0, 7]]) == 7
    assert found.in_([0]) is None


def judged_row(expectation: Expectation, measured: Any) -> Any:
    """A row of an expectation that has judged a value."""
    verdict = expectation.judge(measured)
    facts = {"measured": to_json(measured), "margin": verdict.margin, "holds": verdict.holds}
    return replace(row(BIG, "arena", "pass", **facts), expectation=expectation.data())


def line_of(**facts: Any) -> board.Line:
    """The line of a claim with one row; it expects 1 ± 0.1 unless `expectation` is given."""
    expectation = facts.pop("expectation", near(1, abs=0.1))
    only = row(BIG, "arena", "pass", expectation=expectation.data(), **facts)
    (line,) = board.lines(ledger(only))
    return line


def test_two_edges_are_the_middle_half_and_the_value_lies_where_it_is() -> None:
    drawn = scale(line_of(measured=1.05, margin=1.1 - 1.05, control=0.0))
    assert drawn is not None
    inner = WIDTH - 2 * INSET
    assert (drawn.start, drawn.end) == pytest.approx((INSET + inner / 4, INSET + inner * 3 / 4))
    assert drawn.values[0].x == pytest.approx(INSET + inner * 0.625)
    assert drawn.control is not None
    assert drawn.control.beyond == -1
    assert drawn.words == "accepted 0.9 to 1.1; measured 1.05; control 0; published 0.99"


def test_one_edge_is_drawn_between_the_control_and_the_value() -> None:
    drawn = scale(line_of(expectation=at_least(0.5), measured=0.9, margin=0.4, control=0.1))
    assert drawn is not None
    assert drawn.control is not None
    assert drawn.control.x == INSET
    assert drawn.control.x < drawn.start < drawn.values[0].x < drawn.end == WIDTH


@pytest.mark.parametrize("control", [None, 0.7, "nan"])
def test_one_edge_without_a_rejected_control_has_no_scale(control: Any) -> None:
    given = {"measured": 0.9, "margin": 0.4, "control": control}
    assert scale(line_of(expectation=at_least(0.5), **given)) is None
