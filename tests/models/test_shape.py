"""Architectures that make no sense are refused; which ones TransformerLens's layout can hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from replications.errors import BadInput, Unsupported
from replications.lens import open_lens
from replications.models.rotary import Rotary, Stretch
from replications.models.shape import Shape
from replications.training import transformer
from tests.random_models import MODERN, SHAPES, state_dict

GPT = SHAPES["gpt"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"d_mlp": 0}, "attn_only=False contradicts d_mlp=0"),
        ({"positions": "shortformer"}, "must have standard positions, rotary ones or none"),
        ({"n_key_value_heads": 2}, "3 heads cannot share 2"),
        ({"positions": "rotary"}, "exactly if positions are rotary"),
        ({"rotary": (Rotary(2),) * 3}, "exactly if positions are rotary"),
        ({"positions": "rotary", "rotary": (Rotary(2),)}, "one for each of 3 layers"),
        ({"positions": "rotary", "rotary": (Rotary(3),) * 3}, "an even number of at most 5"),
        ({"positions": "rotary", "rotary": (Rotary(6),) * 3}, "an even number of at most 5"),
        ({"windows": (1, None)}, "windows: give one for each of 3"),
        ({"windows": (1, 2, 3), "attention": "bidirectional"}, "must be causal"),
        ({"post_norms": True}, "must be RMS"),
        ({"d_mlp": 0, "attn_only": True, "gated": True}, "no parallel and no gated"),
        ({"d_mlp": 0, "attn_only": True, "normalization": None, "qk_norm": True}, "without norms"),
    ],
)
def test_parts_that_contradict_one_another_are_refused(change: dict[str, Any], match: str) -> None:
    with pytest.raises(BadInput, match=match):
        replace(GPT, **change)


def test_only_classic_shapes_are_opened_by_transformer_lens_or_trained() -> None:
    assert all(shape.classic for shape in SHAPES.values())
    shape: Shape
    for shape in [*MODERN.values(), replace(GPT, logit_cap=1.0), replace(GPT, windows=(1, 2, 3))]:
        assert not shape.classic
        with pytest.raises(Unsupported, match="without a lens"):
            open_lens(shape, state_dict(shape))
        with pytest.raises(BadInput, match="this transformer"):
            transformer.untrained_state_dict(shape, 0)


def test_slow_rotations_are_stretched_and_fast_ones_are_not() -> None:
    plain = Rotary(8, base=1000.0)
    stretched = replace(plain, stretch=Stretch(factor=4.0, low=1.0, high=4.0, context=100))
    waves = 2 * torch.pi / plain.rates()
    assert waves[0] < 25
    assert waves[-1] > 100
    share = stretched.rates() / plain.rates()
    assert share[0] == 1
    assert share[-1] == 0.25
    assert ((share >= 0.25) & (share <= 1)).all()
    assert replace(plain, factor=2.0).rates().equal(plain.rates() / 2)
