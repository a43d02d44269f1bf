"""Random weights: their sizes, their spread and their seed."""

from __future__ import annotations

import pytest
import torch

from replications.errors import BadInput
from replications.models.positions import sinusoids
from replications.models.untrained import by_fan_in, by_width, by_width_and_depth, untrained
from tests.random_models import SHAPES

SHAPE = SHAPES["gpt"]  # 3 layers
SIZES = {
    "embed.W_E": (200, 50), "blocks.0.attn.W_O": (4, 100, 50), "blocks.0.attn.b_O": (50,),
    "ln_final.w": (50,), "ln_final.b": (50,), "unembed.W_U": (50, 200),
}  # fmt: skip


def spread(found: dict[str, torch.Tensor]) -> list[float]:
    return [found[name].std().item() for name in SIZES if ".W_" in name]


def test_matrices_have_the_spread_that_is_asked_for() -> None:
    wide = 0.8 / 50**0.5
    assert spread(untrained(SIZES, by_width(50), 0)) == pytest.approx([wide] * 3, rel=0.05)
    fan_in = [1.0, 0.1, 50**-0.5]
    assert spread(untrained(SIZES, by_fan_in, 0)) == pytest.approx(fan_in, rel=0.05)
    unit = 0.8 / SHAPE.d_model**0.5
    expected = [unit, unit / 6**0.5, unit]
    assert spread(untrained(SIZES, by_width_and_depth(SHAPE), 0)) == pytest.approx(
        expected, rel=0.05
    )


def test_layernorms_are_the_identity_and_biases_zero() -> None:
    found = untrained(SIZES, by_fan_in, 0)
    assert (found["ln_final.w"] == 1).all()
    assert not found["ln_final.b"].any()
    assert not found["blocks.0.attn.b_O"].any()


def test_a_seed_decides_and_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    one, again, other = (untrained(SIZES, by_fan_in, seed) for seed in (3, 3, 4))
    assert torch.get_rng_state().equal(before)
    assert all(one[name].equal(again[name]) for name in one)
    assert not one["embed.W_E"].equal(other["embed.W_E"])
    with pytest.raises(BadInput, match="seed must be at least 0, not -1"):
        untrained(SIZES, by_fan_in, -1)


def test_sinusoids_are_the_usual_ones() -> None:
    exact, quick = sinusoids(42, 56), sinusoids(42, 56, torch.float32)
    for table, tolerance in ((exact, 1e-7), (quick, 1e-5)):
        assert (table.shape, table.dtype) == ((42, 56), torch.float32)
        for position, pair in ((0, 0), (1, 3), (7, 10), (41, 27)):
            angle = torch.tensor(position / 10_000 ** (2 * pair / 56), dtype=torch.float64)
            found = table[position, 2 * pair : 2 * pair + 2].double()
            assert (found - torch.stack([angle.sin(), angle.cos()])).abs().max() < tolerance
