"""Published language models as `HookedTransformer`s, processed by its own loading functions."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

try:
    from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
except ImportError:  # 1.x
    from transformer_lens.loading_from_pretrained import convert_gpt2_weights

from replications.lens.hooked import HookedLens, load, untrained
from replications.models.shape import Shape


def open_gpt2(module: GPT2LMHeadModel, shape: Shape, device: str, dtype: torch.dtype) -> HookedLens:
    """A lens on the weights of a GPT-2 of transformers."""
    config = untrained(shape, "meta", dtype).cfg
    state_dict = convert_gpt2_weights(module.to(dtype), config)  # type: ignore[arg-type]
    state_dict.setdefault("unembed.b_U", torch.zeros(shape.d_vocab_out, dtype=dtype))
    return open_classic(shape, state_dict, device, dtype)


def open_classic(
    shape: Shape, state_dict: Mapping[str, Tensor], device: str, dtype: torch.dtype
) -> HookedLens:
    """A lens on a model in the classic layout, with its LayerNorm parameters."""
    model = load(shape, state_dict, device, dtype)
    model.process_weights_()
    return HookedLens(model, shape)
