"""The layouts of checkpoints: names and sizes, and reading GPT-2's configuration."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from replications.errors import BadInput
from replications.models import parameters
from replications.models.network import Network
from replications.models.shape import Shape
from tests.random_models import SHAPES, state_dict

GPT2 = {"model_type": "gpt2", "n_layer": 2, "n_head": 3, "n_embd": 12, "n_positions": 9,
        "vocab_size": 7}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_the_classic_layout_holds_what_the_architecture_has(name: str) -> None:
    shape = SHAPES[name]
    found = parameters.classic(shape)
    norms = 0 if shape.normalization is None else 1 if shape.attn_only else 2
    per_layer = 8 + 2 * norms + (0 if shape.attn_only else 4)
    assert len(found) == 2 + per_layer * shape.n_layers + (2 if norms else 0) + 2
    folded = parameters.classic(shape, folded=True)
    assert parameters.has_layernorms(found) == bool(norms)
    assert not parameters.has_layernorms(folded)
    assert {n for n in found if n not in folded} == {n for n in found if n.endswith((".w", ".b"))}


def test_the_sizes_are_those_of_gpt2_small() -> None:
    shape = Shape(
        n_layers=12, n_heads=12, d_model=768, d_head=64, d_mlp=3072, n_ctx=1024, d_vocab=50257,
        d_vocab_out=50257,
    )  # fmt: skip
    count = sum(math.prod(size) for size in parameters.classic(shape).values())
    # 124,439,808 as published, where the unembedding is the embedding and has no bias.
    assert count == 124_439_808 + 768 * 50257 + 50257


def test_a_network_takes_exactly_what_the_layout_lists() -> None:
    shape = SHAPES["gpt"]
    weights = state_dict(shape)
    assert set(weights) == set(parameters.classic(shape))
    network = Network.from_state_dict(shape, weights)
    for field, (name, _) in parameters.network_fields(shape).items():
        value = getattr(network, field)
        if "{layer}" in name:
            assert value[1].equal(weights[name.format(layer=1)])
        else:
            assert value.equal(weights[name])


def test_matrices_and_biases_are_told_by_their_names() -> None:
    names = list(parameters.classic(SHAPES["gpt"]))
    matrices, biases = (
        {n.rpartition(".")[2] for n in names if told(n)}
        for told in (parameters.is_matrix, parameters.is_bias)
    )
    assert matrices == {"W_E", "W_pos", "W_Q", "W_K", "W_V", "W_O", "W_in", "W_out", "W_U"}
    assert biases == {"b_Q", "b_K", "b_V", "b_O", "b_in", "b_out", "b_U"}


def test_mask_buffers_are_no_parameters() -> None:
    weights = {"blocks.0.attn.mask": torch.ones(2), "blocks.0.attn.IGNORE": torch.ones(1)}
    kept = {"blocks.0.attn.W_Q": torch.ones(3)}
    assert parameters.without_buffers(weights | kept).keys() == kept.keys()


def test_a_bridge_takes_no_other_sizes() -> None:
    shape = SHAPES["gpt"]
    with pytest.raises(BadInput, match=r"unembed.W_U' has shape \(12, 6\), not \(12, 5\)"):
        parameters.bridge_state_dict(replace(shape, d_vocab_out=5), state_dict(shape))
