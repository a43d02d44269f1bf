"""Weights from outside: what is accepted, and how a bad one is named."""

from __future__ import annotations

import io
from typing import Any

import pytest
import safetensors.torch
import torch

from replications.errors import BadInput
from replications.models import parameters
from replications.models.state_dicts import check_state_dict, read_state_dict
from tests.random_models import SHAPES, state_dict

SHAPE = SHAPES["gpt"]
NAN = torch.full((12,), torch.nan, dtype=torch.float64)


def test_good_weights_come_back_in_order_without_buffers() -> None:
    weights = state_dict(SHAPE)
    buffers = {"blocks.0.attn.mask": torch.ones(2), "blocks.1.attn.IGNORE": torch.tensor(-1e5)}
    shuffled = dict(reversed(weights.items()))
    assert list(check_state_dict(buffers | shuffled, SHAPE)) == list(parameters.classic(SHAPE))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ln_final.w": None}, r"ln_final\.w is missing; expected"),
        ({"ln_final.w": None, "ln_final.b": None}, r"missing \(and 1 more problems\)"),
        ({"extra": torch.zeros(1)}, "extra is not a parameter"),
        ({"ln_final.w": torch.zeros(3)}, r"ln_final\.w has shape \(3,\), not \(12,\)"),
        ({"ln_final.b": NAN}, r"ln_final\.b is not finite"),
        ({"ln_final.b": [0.0] * 12}, r"ln_final\.b is not a tensor"),
    ],
)
def test_the_first_problem_is_named(change: dict[str, Any], message: str) -> None:
    given = {n: w for n, w in {**state_dict(SHAPE), **change}.items() if w is not None}
    with pytest.raises(BadInput, match=message) as caught:
        check_state_dict(given, SHAPE, model="a small model")
    assert "not the weights of a small model" in str(caught.value)
    assert "3 layers of 3 heads, d_model 12" in str(caught.value)


def test_biases_are_zero_where_that_is_asked() -> None:
    check_state_dict(state_dict(SHAPE, biases=False), SHAPE, zero_biases=True)
    with pytest.raises(BadInput, match=r"blocks\.0\.attn\.b_Q is not zero"):
        check_state_dict(state_dict(SHAPE), SHAPE, zero_biases=True)


def test_something_else_than_a_mapping_is_refused() -> None:
    with pytest.raises(BadInput, match="expected weights by name, got a list"):
        check_state_dict([torch.zeros(1)], SHAPE)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w"])
def test_weights_survive_a_file(name: str) -> None:
    weights = state_dict(SHAPE)
    content = io.BytesIO()
    if name == "w.pt":
        torch.save(weights, content)
    else:
        content.write(safetensors.torch.save(weights))
    back = read_state_dict(content.getvalue(), name, SHAPE)
    assert all(back[name].equal(w) for name, w in weights.items())


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_other_bytes_are_refused_with_the_name_of_the_file(name: str) -> None:
    with pytest.raises(BadInput, match=rf"{name} cannot be read as weights"):
        read_state_dict(b"x", name, SHAPE)
