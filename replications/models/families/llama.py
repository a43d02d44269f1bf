"""Llama 1 to 3."""

from __future__ import annotations

from torch import Tensor

from replications.models.families import decoder
from replications.models.families.family import Family
from replications.models.families.settings import Settings
from replications.models.families.tensors import Tensors
from replications.models.shape import Shape


def _shape(settings: Settings) -> Shape:
    return decoder.shape(settings, act=("hidden_act", "silu"), n_ctx=2048)


def _parameters(tensors: Tensors, shape: Shape, settings: Settings) -> dict[str, Tensor]:
    bias = bool(settings.get("attention_bias", False))
    layout = decoder.Layout(
        decoder.NORMS, tied=False, qkv_bias=bias, o_bias=bias,
        mlp_bias=bool(settings.get("mlp_bias", False)),
    )  # fmt: skip
    return decoder.parameters(tensors, shape, settings, layout)


LLAMA = Family("llama", "model.", _shape, _parameters, ("rms_norm_eps", 1e-6))
