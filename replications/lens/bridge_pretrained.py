"""Published language models as bridges, processed by TransformerLens's compatibility mode."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

# model_bridge first: other import orders are circular on 4.0.
from transformer_lens.model_bridge import TransformerBridge  # isort: skip
from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module

from replications.lens.bridge import BridgeLens, boot
from replications.lens.hooks import stacked_state_dict, stacked_weights
from replications.models.shape import Shape


class ProcessedLens(BridgeLens):
    """A lens on a bridge whose weights were processed.

    `state_dict` and `weights` are those after processing, on the CPU; `state_dict` has no
    LayerNorm parameters, since there is nothing left in them.  `reopen` takes processed weights.
    """

    def __init__(self, model: TransformerBridge, shape: Shape) -> None:
        model.enable_compatibility_mode(disable_warnings=True)
        parameter = next(model.parameters())
        self._model = model.eval().requires_grad_(False)
        self.shape = shape
        self.device, self.dtype = parameter.device, parameter.dtype
        self.weights = stacked_weights(self.model, shape)
        self.state_dict = stacked_state_dict(self)


def open_gpt2(
    module: GPT2LMHeadModel, settings: GPT2Config, shape: Shape, device: str, dtype: torch.dtype
) -> ProcessedLens:
    """A lens on a GPT-2 of transformers."""
    with torch.random.fork_rng(devices=[]):  # random numbers for weights that are replaced at once
        bridge = build_bridge_from_module(
            module.to(device=device, dtype=dtype).eval(),  # type: ignore[call-arg]
            architecture="GPT2LMHeadModel",
            hf_config=settings,
            dtype=dtype,
            device=device,
            model_name="gpt2",
        )
    return ProcessedLens(bridge, shape)


def open_classic(
    shape: Shape, state_dict: Mapping[str, Tensor], device: str, dtype: torch.dtype
) -> ProcessedLens:
    """A lens on a model in the classic layout, with its LayerNorm parameters."""
    return ProcessedLens(boot(shape, state_dict, device, dtype), shape)
