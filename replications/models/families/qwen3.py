"""Qwen 3: Llama with norms of queries and keys in each head."""

from __future__ import annotations

from torch import Tensor

from replications.models.families import decoder
from replications.models.families.family import Family
from replications.models.families.qwen2 import windows
from replications.models.families.settings import Settings
from replications.models.families.tensors import Tensors
from replications.models.shape import Shape


def _shape(settings: Settings) -> Shape:
    return decoder.shape(
        settings, act=("hidden_act", "silu"), n_ctx=32768, windows=windows(settings),
        d_head=settings.size("head_dim", 128), qk_norm=True,
    )  # fmt: skip


def _parameters(tensors: Tensors, shape: Shape, settings: Settings) -> dict[str, Tensor]:
    bias = bool(settings.get("attention_bias", False))
    layout = decoder.Layout(decoder.NORMS, tied=False, qkv_bias=bias, o_bias=bias)
    return decoder.parameters(tensors, shape, settings, layout)


QWEN3 = Family("qwen3", "model.", _shape, _parameters, ("rms_norm_eps", 1e-6))
