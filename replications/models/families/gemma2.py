"""Gemma 2: norms before and after attention and MLP, soft caps, a window in every other layer."""

from __future__ import annotations

from torch import Tensor

from replications.models.families import decoder
from replications.models.families.family import Family
from replications.models.families.settings import Settings
from replications.models.families.tensors import Tensors
from replications.models.shape import Shape

ACTIVATION = ("hidden_activation", "gelu_pytorch_tanh")


def scales(settings: Settings) -> tuple[float, ...]:
    """What scores are multiplied by in each layer of a Gemma."""
    scalar = settings.get("query_pre_attn_scalar", 256)
    return (scalar**-0.5,) * settings.size("num_hidden_layers")


def _shape(settings: Settings) -> Shape:
    layers = settings.size("num_hidden_layers")
    kinds = ["full_attention" if i % 2 else "sliding_attention" for i in range(layers)]
    return decoder.shape(
        settings, act=ACTIVATION, n_ctx=8192, d_head=settings.size("head_dim", 256),
        key_value_heads=4,
        windows=decoder.windows(settings, settings.get("sliding_window", 4096), kinds),
        score_scales=scales(settings), post_norms=True,
        score_cap=settings.cap("attn_logit_softcapping", 50.0),
        logit_cap=settings.cap("final_logit_softcapping", 30.0),
    )  # fmt: skip


def parameters(tensors: Tensors, shape: Shape, settings: Settings) -> dict[str, Tensor]:
    """The weights of a Gemma 2 or 3."""
    bias = bool(settings.get("attention_bias", False))
    layout = decoder.Layout(
        decoder.SANDWICH, tied=True, qkv_bias=bias, o_bias=bias, one_plus=True, scaled=True
    )
    return decoder.parameters(tensors, shape, settings, layout)


GEMMA2 = Family("gemma2", "model.", _shape, parameters, ("rms_norm_eps", 1e-6))
