"""The arguments that need no weights: that they come out, and that they could have failed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from replications.systems.brackets import tokenize
from replications.systems.brackets.constructions import Constructions, _OneLayer
from tests.systems.brackets.plain import least_squares


@pytest.fixture(scope="module")
def made() -> Constructions:
    return Constructions()


def test_one_head_tells_even_from_odd_by_parity_alone(made: Constructions) -> None:
    assert made.parity_head_accuracy() == 1
    assert made.parity_head_accuracy(parity=False) == 0.5


def test_one_attention_layer_averages_and_an_mlp_does_not() -> None:
    """With uniform attention the logits of "()" are the mean of those of "((" and "))"."""
    tokens = tokenize(["()", "((", "))"])
    off = {}
    for with_mlp in (False, True):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(1)
            both, opens, closes = _OneLayer(with_mlp)(tokens)
        off[with_mlp] = (both - (opens + closes) / 2).abs().max().item()
    assert off[False] < 1e-6
    assert off[True] > 1e-3


@pytest.mark.slow
def test_one_attention_layer_cannot_learn_three_strings_and_an_mlp_can(
    made: Constructions,
) -> None:
    assert made.one_layer_right() < 3
    assert made.one_layer_right(with_mlp=True) == 3


@pytest.mark.slow
def test_training_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    assert Constructions().one_layer_right() < 3
    assert torch.get_rng_state().equal(before)


def test_a_linear_fit_of_a_layernorm_fails_when_one_feature_clears_the_rest(
    made: Constructions,
) -> None:
    assert made.layernorm_fit(huge_feature=True) < 0.8
    assert made.layernorm_fit(huge_feature=False) > 0.95


def test_the_ordinary_fit_is_least_squares(made: Constructions) -> None:
    x = torch.randn(5000, 56, generator=torch.Generator().manual_seed(0)).double()
    scale = (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    y = (x - x.mean(-1, keepdim=True)) / scale
    assert y.allclose(F.layer_norm(x, [56]))
    assert made.layernorm_fit(huge_feature=False) == pytest.approx(least_squares(x, y)[1], abs=1e-9)


def test_chance_is_one_over_the_width(made: Constructions) -> None:
    assert made.random_squared_cosine() == pytest.approx(1 / 56, abs=0.0025)
    assert made.random_squared_cosine(28) == pytest.approx(1 / 28, abs=0.005)
    assert made.random_squared_cosine(28) != pytest.approx(1 / 56, abs=0.0025)
