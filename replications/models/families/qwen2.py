"""Qwen 2 and 2.5: Llama with biases of queries, keys and values."""

from __future__ import annotations

from torch import Tensor

from replications.models.families import decoder
from replications.models.families.family import Family
from replications.models.families.settings import Settings
from replications.models.families.tensors import Tensors
from replications.models.shape import Shape


def windows(settings: Settings) -> tuple[int | None, ...]:
    """The windows of a Qwen: from a layer on, if it has any."""
    window = settings.get("sliding_window", 4096) if settings.get("use_sliding_window") else None
    first = settings.get("max_window_layers", 28)
    kinds = [
        "sliding_attention" if window is not None and layer >= first else "full_attention"
        for layer in range(settings.size("num_hidden_layers"))
    ]
    return decoder.windows(settings, window, kinds)


def _shape(settings: Settings) -> Shape:
    return decoder.shape(
        settings, act=("hidden_act", "silu"), n_ctx=32768, windows=windows(settings)
    )


def _parameters(tensors: Tensors, shape: Shape, settings: Settings) -> dict[str, Tensor]:
    layout = decoder.Layout(decoder.NORMS, tied=False, qkv_bias=True)
    return decoder.parameters(tensors, shape, settings, layout)


QWEN2 = Family("qwen2", "model.", _shape, _parameters, ("rms_norm_eps", 1e-6))
