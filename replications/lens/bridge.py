"""Lenses on `TransformerBridge`, the model of TransformerLens from 3.9 on.

Small models are built by `boot_native`, or by `shortformer` if their positions go past the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

# model_bridge first: other import orders are circular on 4.0.
from transformer_lens.model_bridge import TransformerBridge  # isort: skip
from transformer_lens.config import TransformerBridgeConfig

from replications.lens.hooks import Action, HookLens, Hooks, stacked_weights
from replications.lens.shortformer import boot_shortformer
from replications.models import parameters
from replications.models.edits import Edit
from replications.models.shape import Shape


class BridgeLens(HookLens):
    """A bridge on a small model with weights in TransformerLens's classic layout."""

    def __init__(
        self, shape: Shape, state_dict: Mapping[str, Tensor], device: str, dtype: torch.dtype
    ) -> None:
        self.model: Any = boot(shape, state_dict, device, dtype).eval().requires_grad_(False)
        self.shape = shape
        self.state_dict = state_dict
        self.device = torch.device(device)
        self.dtype = dtype
        self.weights = stacked_weights(self.model, shape)

    def reopen(self, state_dict: Mapping[str, Tensor]) -> BridgeLens:
        return BridgeLens(self.shape, state_dict, str(self.device), self.dtype)

    def _forward(
        self, tokens: Tensor, hooks: Hooks, mask: Tensor | None, stop: int | None
    ) -> Tensor:
        found: Tensor = self.model.run_with_hooks(
            tokens, fwd_hooks=hooks, attention_mask=mask, stop_at_layer=stop
        )
        return found

    @staticmethod
    def _editor(edit: Edit, rows: slice) -> Action:
        def change(value: Tensor, hook: object = None) -> Tensor:
            if 0 in value.stride():  # GPT-2's positions: one row of memory for the whole batch
                value = value.clone()
            # In place: `resid_mid` is an alias, and a new tensor would miss the skip path.
            value[edit.place.index] = edit.change(value[edit.place.index], rows)
            return value

        return change


def boot(
    shape: Shape, state_dict: Mapping[str, Tensor], device: str, dtype: torch.dtype
) -> TransformerBridge:
    """A bridge on TransformerLens's own small transformer, with these weights (classic layout)."""
    model: Any = _untrained(shape, device, dtype)
    named = _identity_layernorms(shape, state_dict) | dict(state_dict)
    model.load_state_dict(parameters.bridge_state_dict(shape, named), strict=True)
    return cast(TransformerBridge, model)


def _identity_layernorms(shape: Shape, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scale one and bias zero for weights without LayerNorm parameters: they were folded."""
    if parameters.has_layernorms(state_dict):
        return {}
    left = parameters.classic(shape, folded=True)
    return {
        name: torch.ones(size) if name.endswith(".w") else torch.zeros(size)
        for name, size in parameters.classic(shape).items()
        if name not in left
    }


def _untrained(shape: Shape, device: str, dtype: torch.dtype) -> TransformerBridge:
    """A bridge of this architecture with random weights."""
    config = TransformerBridgeConfig(
        n_layers=shape.n_layers,
        n_heads=shape.n_heads,
        d_model=shape.d_model,
        d_head=shape.d_head,
        d_mlp=shape.d_mlp or None,
        n_ctx=shape.n_ctx,
        d_vocab=shape.d_vocab,
        d_vocab_out=shape.d_vocab_out,
        act_fn=shape.act_fn,
        attention_dir=shape.attention,
        attn_only=shape.attn_only,
        normalization_type=shape.normalization,
        seed=0,
    )
    if shape.positions == "shortformer":
        return boot_shortformer(config, device, dtype)
    boot_native = TransformerBridge.boot_native  # type: ignore[attr-defined]
    return cast(TransformerBridge, boot_native(config, device=device, dtype=dtype))
