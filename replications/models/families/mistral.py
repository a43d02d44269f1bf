"""Mistral: Llama with a window of keys in every layer."""

from __future__ import annotations

from torch import Tensor

from replications.models.families import decoder
from replications.models.families.family import Family
from replications.models.families.settings import Settings
from replications.models.families.tensors import Tensors
from replications.models.shape import Shape


def _shape(settings: Settings) -> Shape:
    settings.refuse("layer_types", None)
    kinds = ["sliding_attention"] * settings.size("num_hidden_layers")
    window = settings.get("sliding_window", 4096)
    return decoder.shape(
        settings, act=("hidden_act", "silu"), n_ctx=4096 * 32, key_value_heads=8,
        windows=decoder.windows(settings, window, kinds),
    )  # fmt: skip


def _parameters(tensors: Tensors, shape: Shape, settings: Settings) -> dict[str, Tensor]:
    layout = decoder.Layout(decoder.NORMS, tied=False)
    return decoder.parameters(tensors, shape, settings, layout)


MISTRAL = Family("mistral", "model.", _shape, _parameters, ("rms_norm_eps", 1e-6))
