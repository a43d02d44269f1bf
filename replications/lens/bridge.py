"""Lenses on `TransformerBridge`, the model of TransformerLens from 3.9 on.

Small models are built by `boot_native`, or by `shortformer` if their positions go past the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
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
    """A bridge on a small model with weights in TransformerLens's classic layout.

    Lenses of one architecture share a bridge, in which each puts its weights before it is used.
    """

    _shared: SharedBridge | None = None

    def __init__(
        self, shape: Shape, state_dict: Mapping[str, Tensor], device: str, dtype: torch.dtype
    ) -> None:
        weights = _bridge_weights(shape, state_dict)
        if sum(value.numel() for value in weights.values()) > MOST_SHARED:
            self._shared = SharedBridge(shape, device, dtype)
        else:
            self._shared = _shared_bridge(shape, device, dtype)
        self._parameters = self._shared.load(weights)
        self.shape = shape
        self.state_dict = state_dict
        self.device = torch.device(device)
        self.dtype = dtype
        self.weights = stacked_weights(self.model, shape)

    @property
    def model(self) -> Any:
        """The bridge, with this lens's weights in it until another lens that shares it is used."""
        if self._shared is None:
            return self._model
        return self._shared.holding(self._parameters)

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
    model.load_state_dict(_bridge_weights(shape, state_dict), strict=True)
    return cast(TransformerBridge, model)


class SharedBridge:
    """A bridge that several sets of weights take turns in: building one takes far longer."""

    def __init__(self, shape: Shape, device: str, dtype: torch.dtype) -> None:
        self._model: Any = _untrained(shape, device, dtype).eval().requires_grad_(False)
        # Not `parameters`: the bias of the unembedding is a buffer.
        slots = self._model.original_model.state_dict(keep_vars=True).values()
        self._slots: list[Tensor] = list({id(slot): slot for slot in slots}.values())
        self._inside: list[Tensor] | None = None

    def load(self, weights: Mapping[str, Tensor]) -> list[Tensor]:
        """Weights with the bridge's names as parameters, to be given to `holding`."""
        made = [torch.empty_like(slot) for slot in self._slots]
        self.holding(made).load_state_dict(weights, strict=True)
        return made

    def holding(self, parameters: list[Tensor]) -> Any:
        """The bridge with these parameters in it. They are not copied."""
        if self._inside is not parameters:
            for slot, parameter in zip(self._slots, parameters, strict=True):
                slot.data = parameter
            self._inside = parameters
        return self._model


_shared_bridge = lru_cache(maxsize=8)(SharedBridge)
MOST_SHARED = 10_000_000
"""Larger models do not share a bridge: a bridge that is kept keeps the last weights it held."""


def _bridge_weights(shape: Shape, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in the classic layout by the names that the bridge has for them."""
    named = _identity_layernorms(shape, state_dict) | dict(state_dict)
    return parameters.bridge_state_dict(shape, named)


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
