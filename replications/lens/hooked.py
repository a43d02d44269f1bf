"""Lenses on `HookedTransformer`, the model of TransformerLens up to 3.9."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformer_lens import (  # type: ignore[attr-defined, unused-ignore]
    HookedTransformer,
    HookedTransformerConfig,
)

from replications.lens.hooks import (
    Action,
    HookLens,
    Hooks,
    stacked_state_dict,
    stacked_weights,
)
from replications.models import parameters
from replications.models.edits import Edit
from replications.models.shape import Shape


class HookedLens(HookLens):
    """A lens on a `HookedTransformer`. Its `state_dict` is read off the model unless given."""

    def __init__(
        self,
        model: HookedTransformer,
        shape: Shape,
        state_dict: Mapping[str, Tensor] | None = None,
    ) -> None:
        parameter = next(model.parameters())
        self._model = model.eval().requires_grad_(False)
        self.shape = shape
        self.device, self.dtype = parameter.device, parameter.dtype
        self.weights = stacked_weights(self.model, shape)
        self.state_dict = stacked_state_dict(self) if state_dict is None else state_dict

    def reopen(self, state_dict: Mapping[str, Tensor]) -> HookedLens:
        return open_hooked(self.shape, state_dict, str(self.device), self.dtype)

    def _forward(
        self, tokens: Tensor, hooks: Hooks, mask: Tensor | None, stop: int | None
    ) -> Tensor:
        if mask is not None:
            # Not `attention_mask`, which would also set the positions of padding to zero.
            hidden = mask[:, None, None] == 0

            def hide(scores: Tensor, hook: object) -> Tensor:
                return scores.masked_fill(hidden, -torch.inf)

            layers = range(self.shape.n_layers)
            hooks = [*hooks, *((f"blocks.{i}.attn.hook_attn_scores", hide) for i in layers)]
        found: Tensor = self.model.run_with_hooks(tokens, fwd_hooks=hooks, stop_at_layer=stop)
        return found

    @staticmethod
    def _editor(edit: Edit, rows: slice) -> Action:
        def change(value: Tensor, hook: object = None) -> Tensor:
            # A new tensor: some hook points of early versions show a view of a parameter.
            value = value.clone()
            value[edit.place.index] = edit.change(value[edit.place.index], rows)
            return value

        return change

    def _on_module_output(self, path: str, action: Action) -> Any:
        results: list[Tensor] = []

        # The first LayerNorm is computed three times, for queries, keys and values: one site.
        def once(module: object, inputs: object, output: Tensor) -> Tensor:
            if not results:
                changed = action(output)
                results.append(output if changed is None else changed)
            return results[0]

        return self.model.get_submodule(path).register_forward_hook(once)


def open_hooked(
    shape: Shape, state_dict: Mapping[str, Tensor], device: str, dtype: torch.dtype
) -> HookedLens:
    """A lens on a model with these weights. Without LayerNorm parameters LayerNorm is folded."""
    return HookedLens(load(shape, state_dict, device, dtype), shape, state_dict)


def load(
    shape: Shape, state_dict: Mapping[str, Tensor], device: str, dtype: torch.dtype
) -> HookedTransformer:
    """A model with exactly these parameters.

    Raises RuntimeError if one is missing, or if the model has no such parameter.
    """
    folded = not parameters.has_layernorms(state_dict)
    model = untrained(shape, device, dtype, folded=folded)
    buffers = {n: v for n, v in model.state_dict().items() if n.endswith(parameters.BUFFERS)}
    model.load_state_dict(buffers | dict(state_dict), strict=True)
    return model


def untrained(
    shape: Shape, device: str, dtype: torch.dtype, *, folded: bool = False
) -> HookedTransformer:
    """A model of this architecture whose weights are still to be loaded.

    `folded` leaves out the LayerNorms' scale and bias.
    """
    config = HookedTransformerConfig(
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
        normalization_type="LNPre" if folded and shape.normalization else shape.normalization,
        positional_embedding_type=shape.positions,
        init_weights=False,
        device=device,
        dtype=dtype,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.9 announces its end at each use
        return HookedTransformer(config)
