"""Linear fits: against numpy where the answer is unique, and what the cutoff is for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from replications.analysis.linear_fits import CUTOFF, LinearFit, cosine, fit


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def noisy_line(rows: int = 200, n_in: int = 6, n_out: int = 4) -> tuple[Tensor, Tensor]:
    """Inputs far from zero, and outputs that are linear in them up to noise."""
    x = random(rows, n_in) + 3
    return x, x @ random(n_in, n_out, seed=1) + 5 + 0.3 * random(rows, n_out, seed=2)


def r_squared_by_hand(y: Tensor, predicted: Tensor) -> list[float]:
    """One minus residual over total sum of squares, for each output."""
    residual = (y - predicted).square().sum(0)
    total = (y - y.mean(0)).square().sum(0)
    return (1 - residual / total).tolist()


@pytest.fixture(scope="module")
def line() -> LinearFit:
    return fit(*noisy_line())


def test_a_fit_of_full_rank_is_the_least_squares_solution(line: LinearFit) -> None:
    x, y = noisy_line()
    with_ones = np.c_[x.numpy(), np.ones(len(x))]
    solution = np.linalg.lstsq(with_ones, y.numpy(), rcond=None)[0]
    assert line.rank == 6
    np.testing.assert_allclose(line.coef.T, solution[:-1], atol=1e-12)
    np.testing.assert_allclose(line.intercept, solution[-1], atol=1e-11)


def test_r_squared_is_the_plain_mean_over_outputs() -> None:
    # The outputs differ in size and in fit, so a mean weighted by variance is another number.
    x, y = noisy_line()
    y = y + torch.tensor([0.0, 0.0, 3.0, 40.0]) * random(200, 4, seed=3)
    found = fit(x, y)
    each = r_squared_by_hand(y, x @ found.coef.T + found.intercept)
    assert found.r_squared == pytest.approx(np.mean(each), abs=1e-12)
    assert max(each) - min(each) > 0.3


def test_float32_inputs_are_fitted_in_float64() -> None:
    x, y = noisy_line()
    found, exact = fit(x.float(), y.float()), fit(x.float().double(), y.float().double())
    assert found.coef.dtype == torch.float64
    assert found.coef.equal(exact.coef)


# ------------------------------------------------------------------------------------- cutoff
def few_distinct_inputs() -> tuple[Tensor, Tensor]:
    """Inputs of rank 4 in 8 axes, rounded to float32, and outputs with a little noise."""
    x = (random(40, 4) @ random(4, 8, seed=1))[torch.arange(2000) % 40].float()
    x *= 1 + 1e-7 * random(2000, 8, seed=2).float()
    y = x @ random(8, 3, seed=3).float() + 1e-3 * random(2000, 3, seed=4).float()
    return x, y


def test_the_cutoff_drops_directions_that_are_rounding_noise() -> None:
    x, y = few_distinct_inputs()
    ours = fit(x, y)
    assert ours.rank == 4
    assert ours.coef.norm() < 10
    assert ours.r_squared > 0.999


def test_a_default_cutoff_would_fit_the_noise() -> None:
    x, y = few_distinct_inputs()
    centred = (x - x.mean(0)).double().numpy()
    solution, _, rank, _ = np.linalg.lstsq(centred, y.double().numpy(), rcond=None)
    assert rank == 8
    assert np.linalg.norm(solution) > 20 * float(fit(x, y).coef.norm())
    assert fit(x, y, cutoff=1e-15).rank == 8


def test_a_truncated_fit_is_the_pseudo_inverse_at_that_cutoff() -> None:
    x, y = (part.double() for part in few_distinct_inputs())
    expected = torch.linalg.pinv(x - x.mean(0), rtol=CUTOFF) @ (y - y.mean(0))
    torch.testing.assert_close(fit(x, y).coef.T, expected, atol=1e-8, rtol=0)


def test_fewer_rows_than_inputs_are_fitted_exactly() -> None:
    x, y = random(5, 9), random(5, 2, seed=1)
    found = fit(x, y)
    assert found.rank == 4  # the mean takes one
    torch.testing.assert_close(x @ found.coef.T + found.intercept, y)
    assert found.r_squared == pytest.approx(1)


# ---------------------------------------------------------------------------- constant values
def test_a_constant_output_that_is_met_counts_as_explained() -> None:
    x, y = noisy_line()
    y = torch.cat([y, torch.full((len(y), 1), 2.0, dtype=torch.float64)], dim=1)
    found = fit(x, y)
    each = r_squared_by_hand(y[:, :-1], (x @ found.coef.T + found.intercept)[:, :-1])
    assert found.coef[-1].abs().max() == 0
    assert found.intercept[-1] == 2
    assert found.r_squared == pytest.approx(np.mean([*each, 1.0]))


def test_a_constant_input_changes_nothing(line: LinearFit) -> None:
    x, y = noisy_line()
    found = fit(torch.cat([x, torch.full((len(x), 1), 4.0, dtype=torch.float64)], dim=1), y)
    assert found.rank == 6
    torch.testing.assert_close(found.coef[:, :6], line.coef)
    assert found.coef[:, 6].abs().max() < 1e-12


# --------------------------------------------------------------------------------- directions
def test_pull_back_is_the_adjoint_of_push(line: LinearFit) -> None:
    vector, direction = random(6, seed=5), random(4, seed=6)
    pushed, pulled = line.push(vector) @ direction, vector @ line.pull_back(direction)
    torch.testing.assert_close(pushed, pulled)


def test_push_leaves_out_the_intercept_and_takes_any_leading_axes(line: LinearFit) -> None:
    vectors = random(2, 3, 6)
    assert line.push(torch.zeros(6)).abs().max() == 0
    assert line.push(vectors).shape == (2, 3, 4)
    torch.testing.assert_close(line.push(vectors)[1, 2], line.coef @ vectors[1, 2])


def test_directions_may_be_float32(line: LinearFit) -> None:
    assert line.pull_back(torch.ones(4)).dtype == torch.float64
    assert line.push(torch.ones(6)).dtype == torch.float64


def test_cosine() -> None:
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0])
    assert cosine(a, b) == pytest.approx(2**-0.5)
    assert cosine(a, -3 * a) == -1
    assert cosine(a, torch.tensor([0.0, 2.0])) == 0
    # In float32 the product of these would be zero.
    assert cosine(a * 1e-30, b * 1e-30) == pytest.approx(2**-0.5)


def test_counts_stand_for_repeated_rows() -> None:
    x, y = noisy_line()
    counts = torch.arange(len(x)) % 4 + 1
    many_x, many_y = (v.repeat_interleave(counts, 0) for v in (x, y))
    found, expected = fit(x, y, counts=counts), fit(many_x, many_y)
    torch.testing.assert_close(found.coef, expected.coef)
    torch.testing.assert_close(found.intercept, expected.intercept)
    assert found.r_squared == pytest.approx(expected.r_squared)
    assert found.rank == expected.rank
