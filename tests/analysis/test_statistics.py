"""Statistics against their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from replications.analysis.statistics import (
    auroc,
    bootstrap_mean,
    bootstrap_ratio,
    correlation,
    overlap,
    quantile,
    spearman,
    variation,
)

# Few values, so that ties are common.
samples = st.lists(st.integers(-3, 3), min_size=1, max_size=12).map(
    lambda values: torch.tensor(values, dtype=torch.float32)
)
shapes = st.lists(st.floats(0, 1), min_size=1, max_size=30).map(torch.tensor)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# -------------------------------------------------------------------------------------- auroc
@given(samples, samples)
def test_auroc_counts_the_pairs_in_the_right_order(positive: Tensor, negative: Tensor) -> None:
    pairs = list(itertools.product(positive.tolist(), negative.tolist()))
    wins = sum((p > n) + 0.5 * (p == n) for p, n in pairs)
    assert auroc(positive, negative) == pytest.approx(wins / len(pairs), abs=1e-12)


@given(samples, samples)
def test_auroc_of_the_classes_exchanged_is_the_rest(positive: Tensor, negative: Tensor) -> None:
    assert auroc(positive, negative) + auroc(negative, positive) == pytest.approx(1)


def test_auroc_at_its_ends() -> None:
    low, high = torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0, 4.0])
    assert auroc(high, low) == 1
    assert auroc(low, high) == 0
    assert auroc(torch.ones(3), torch.ones(5)) == 0.5


# ------------------------------------------------------------------------------ correlations
def test_correlations_equal_those_of_numpy() -> None:
    a, b = random(50), random(50, seed=1) + random(50)
    assert correlation(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-6)
    ranks = [x.argsort().argsort().double() for x in (a, b)]
    assert spearman(a, b) == pytest.approx(correlation(*ranks), abs=1e-12)


def test_spearman_sees_order_alone_and_correlation_the_line() -> None:
    a = torch.linspace(0, 5, 20)
    assert spearman(a, a.exp()) == pytest.approx(1)
    assert spearman(a, -a.exp()) == pytest.approx(-1)
    assert correlation(a, 3 - 2 * a) == pytest.approx(-1)
    assert correlation(a, a.exp()) < 0.95


def test_spearman_gives_ties_their_mean_rank() -> None:
    a, b = torch.tensor([1.0, 2.0, 2.0, 3.0]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    by_hand = correlation(torch.tensor([1, 2.5, 2.5, 4]), torch.tensor([1.0, 2, 3, 4]))
    assert spearman(a, b) == pytest.approx(by_hand)


# ---------------------------------------------------------------------------------- quantile
def test_quantile_interpolates_between_the_sorted_values() -> None:
    a = torch.tensor([30.0, 10.0, 20.0])
    assert [quantile(a, q) for q in (0, 0.5, 1)] == [10, 20, 30]
    assert quantile(a, 0.25) == 15
    assert quantile(a, 0.9) == pytest.approx(28)


# ----------------------------------------------------------------------------------- overlap
def test_overlap_at_its_ends() -> None:
    a = torch.tensor([0.1, 0.1, 0.6])
    assert overlap(a, a, 0, 1, bins=10) == pytest.approx(1)
    assert overlap(a, a.repeat(7), 0, 1, bins=10) == pytest.approx(1)
    assert overlap(a, a + 0.2, 0, 1, bins=10) == 0


def test_overlap_by_hand() -> None:
    a, b = torch.tensor([0.1, 0.1, 0.1, 0.6]), torch.tensor([0.1, 0.6, 0.6, 0.9])
    assert overlap(a, b, 0, 1, bins=2) == pytest.approx(0.25 + 0.25)


def test_overlap_counts_what_lies_outside_in_the_outermost_bins() -> None:
    assert overlap(torch.tensor([-5.0, 9.0]), torch.tensor([0.0, 1.0]), 0, 1, bins=4) == 1


@given(shapes, shapes)
def test_overlap_is_a_symmetric_share(a: Tensor, b: Tensor) -> None:
    share = overlap(a, b, 0, 1, bins=5)
    assert 0 <= share <= 1 + 1e-9
    assert share == pytest.approx(overlap(b, a, 0, 1, bins=5))


# --------------------------------------------------------------------------------- variation
def test_variation_is_the_sample_deviation_over_the_mean() -> None:
    assert variation(torch.tensor([1.0, 3.0])) == pytest.approx(2**0.5 / 2)
    assert variation(torch.full((4,), 7.0)) == 0


@pytest.mark.parametrize(
    "value",
    [
        auroc(random(4), random(5)),
        correlation(random(4), random(4, seed=1)),
        spearman(random(4), random(4, seed=1)),
        quantile(random(4), 0.5),
        overlap(random(4), random(5), -1, 1, bins=3),
        variation(random(4)),
    ],
)
def test_every_statistic_is_a_plain_float(value: object) -> None:
    assert type(value) is float


def test_a_bootstrap_interval_holds_the_mean_and_is_repeatable() -> None:
    values = torch.randn(200, generator=torch.Generator().manual_seed(0)) + 3
    found = bootstrap_mean(values)
    assert found.low < found.mean < found.high
    assert found == bootstrap_mean(values)
    expected = 1.96 * values.std().item() / 200**0.5
    assert (found.high - found.low) / 2 == pytest.approx(expected, rel=0.1)
    constant = bootstrap_mean(torch.ones(10))
    assert (constant.mean, constant.low, constant.high) == (1, 1, 1)


def test_the_interval_of_a_ratio_keeps_pairs_together() -> None:
    below = torch.rand(100, generator=torch.Generator().manual_seed(0)).double() + 1
    always_half = bootstrap_ratio(below / 2, below)
    assert always_half.low == pytest.approx(0.5)
    assert always_half.high == pytest.approx(0.5)
    other = below.flip(0)
    found = bootstrap_ratio(other, below)
    assert found.mean == pytest.approx(1)
    assert 0.8 < found.low < 1 < found.high < 1.2
