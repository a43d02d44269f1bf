"""Rates over the seeds of a recipe, with their exact intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from replications.report.rates import Rate, clopper_pearson, rates
from tests.sample_ledger import BIG, SIDES, ledger, row


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        # 0 of n: (0, 1 − 0.025^(1/n)); n of n: (0.025^(1/n), 1)
        (0, 9, 0.0, 0.336267),
        (9, 9, 0.663733, 1.0),
        (0, 1, 0.0, 0.975),
        (1, 2, 0.012579, 0.987421),
        (5, 10, 0.187086, 0.812914),
        (8, 10, 0.443905, 0.974789),
    ],
)
def test_the_interval_is_the_known_one(k: int, n: int, low: float, high: float) -> None:
    assert clopper_pearson(k, n) == pytest.approx((low, high), abs=1e-6)


def test_more_successes_than_models_are_refused() -> None:
    with pytest.raises(ValueError, match="k"):
        clopper_pearson(3, 2)


def of(*rows: Any) -> list[tuple[str, str, int, int]]:
    """The rates of a ledger of these rows."""
    return [(rate.claim, rate.group, rate.k, rate.n) for rate in rates(ledger(*rows))]


def seeds(values: str, recipe: str = "retrained/", **facts: Any) -> list[Any]:
    """A row of `BIG` for each letter: "y" replicates, "n" does not, "–" was skipped."""
    facts = {"kind": "retrained", **facts}
    gone = {"holds": None, "measured": None, "margin": None}
    made = {
        "y": lambda name: row(BIG, name, "replicates", **facts),
        "n": lambda name: row(BIG, name, "does not replicate", holds=False, **facts),
        "a": lambda name: row(BIG, name, "does not replicate", accepted=True, **facts),
        "–": lambda name: row(BIG, name, "skip", **{**facts, **gone}),
    }
    return [made[letter](f"{recipe}seed{i}") for i, letter in enumerate(values)]


def test_a_seed_of_another_group_is_counted_apart() -> None:
    start = replace(row(BIG, "retrained/seed42", "replicates", kind="retrained"), group="start")
    assert of(*seeds("yn"), start) == [("toys/big", "retrained", 1, 2)]


def test_seeds_of_one_recipe_are_counted_together() -> None:
    assert rates(ledger())[0] == Rate("toys/big", "retrained", 1, 2)
    assert of(*seeds("yyn"), *seeds("ny", "small/")) == [
        ("toys/big", "retrained", 2, 3),
        ("toys/big", "small", 1, 2),
    ]


def test_a_group_of_one_has_no_rate() -> None:
    assert of(*seeds("y"), *seeds("yy", "small/")) == [("toys/big", "small", 2, 2)]


def test_what_was_not_judged_is_not_counted() -> None:
    assert of(*seeds("y–n–")) == [("toys/big", "retrained", 1, 2)]
    assert of(*seeds("y–")) == []


def test_an_accepted_control_is_no_replication() -> None:
    assert of(*seeds("ya")) == [("toys/big", "retrained", 1, 2)]


def test_originals_and_lesions_are_no_sample() -> None:
    assert of(*seeds("yy", kind="original")) == []
    cut = [row(BIG, f"retrained/seed{i}~cut", "replicates") for i in range(2)]
    assert of(*cut) == []
    assert of(row(SIDES, "arena", "pass"), row(BIG, "arena", "pass")) == []


def test_seeds_without_a_recipe_are_those_of_their_group() -> None:
    plain = [replace(found, group="trained") for found in seeds("yn", "", kind="toy")]
    assert of(*plain) == [("toys/big", "trained", 1, 2)]


def test_a_rate_reads_as_a_share_with_its_interval() -> None:
    assert str(Rate("toys/big", "retrained", 9, 9)) == "9/9 [0.66, 1.00]"
