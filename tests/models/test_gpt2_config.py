"""The configuration of a GPT-2, from bytes and from settings."""

from __future__ import annotations

import json

import pytest

from replications.errors import BadInput
from replications.models.families.gpt2 import gpt2_config, gpt2_shape
from replications.models.shape import Shape


def test_a_gpt2_configuration_is_read_from_its_bytes() -> None:
    settings = {"n_layer": 2, "n_head": 3, "n_embd": 12, "n_positions": 9, "vocab_size": 7}
    content = json.dumps(settings | {"model_type": "gpt2"}).encode()
    assert gpt2_shape(gpt2_config(content, "config.json")) == Shape(
        n_layers=2, n_heads=3, d_model=12, d_head=4, d_mlp=48, n_ctx=9, d_vocab=7, d_vocab_out=7,
        act_fn="gelu_new",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "cannot read here.json as JSON"),
        (b"\xff", "cannot read here.json as JSON"),
        (b"[1]", "here.json is not the configuration of a model"),
        (b'{"model_type": "llama"}', "model_type 'llama'; only 'gpt2'"),
    ],
)
def test_what_is_no_gpt2_configuration_is_refused_by_name(content: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        gpt2_config(content, "here.json")


def test_scores_of_a_gpt2_are_scaled_as_its_configuration_says() -> None:
    assert gpt2_shape({"n_layer": 2, "n_embd": 8, "n_head": 2}).score_scales == ()
    by_layer = {"scale_attn_by_inverse_layer_idx": True, "n_layer": 2, "n_embd": 8, "n_head": 2}
    assert gpt2_shape(by_layer).score_scales == (0.5, 0.25)
    assert gpt2_shape(by_layer | {"scale_attn_weights": False}).score_scales == (1.0, 0.5)
