"""TransformerLens's own small transformer with positions for queries and keys only.

`NativeModel` knows positions that are added to the residual stream. Here they are added to the
input of the query and key maps in every layer, and values and the stream never see them.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

# model_bridge first: other import orders are circular on 4.0.
from transformer_lens.model_bridge import TransformerBridge  # isort: skip
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module
from transformer_lens.model_bridge.sources.native import (
    NativeAttention,
    NativeBlock,
    NativeModel,
)
from transformer_lens.utilities import TypedModuleList  # type: ignore[attr-defined]


class ShortformerAttention(NativeAttention):
    """Attention whose queries and keys see the stream plus the positions, and values the stream."""

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        pattern_fn: Any = None,
        positions: Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor]:
        """The output [batch pos d_model] and the pattern [batch head query key].

        `positions` is [batch pos d_model].
        """
        assert positions is not None
        placed = hidden_states + positions
        q, k = self._heads(self.q(placed)), self._heads(self.k(placed))
        v = self._heads(self.v(hidden_states))
        length = hidden_states.shape[1]
        hidden = self.causal_mask[:length, :length] & self.causal
        if attention_mask is not None:
            batch = len(hidden_states)
            hidden = self._combine_attention_mask(hidden, attention_mask, batch=batch)
        scores = (q @ k.transpose(-2, -1) / math.sqrt(self.d_head)).masked_fill(hidden, -math.inf)
        # A query without a single key to see would be NaN.
        pattern = scores.softmax(-1).masked_fill(hidden, 0.0)
        if pattern_fn is not None:
            pattern = pattern_fn(pattern)
        return self.o((pattern @ v).transpose(1, 2).flatten(2)), pattern

    def _heads(self, value: Tensor) -> Tensor:
        """[batch pos (head d_head)] -> [batch head pos d_head]."""
        heads: Tensor = value.unflatten(-1, (self.n_heads, self.d_head)).transpose(1, 2)
        return heads


class ShortformerBlock(NativeBlock):
    """A layer of attention alone that hands the positions on to it."""

    def __init__(self, cfg: TransformerBridgeConfig) -> None:
        super().__init__(cfg)
        self.attn = ShortformerAttention(cfg)

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        positions: Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor]:
        """The residual stream after this layer, [batch pos d_model]."""
        out, _ = self.attn(
            self.ln1(hidden_states), attention_mask=attention_mask, positions=positions
        )
        return (hidden_states + out,)


class ShortformerModel(NativeModel):
    """Embedding, layers, unembedding; the positions go past the residual stream."""

    def __init__(self, cfg: TransformerBridgeConfig) -> None:
        super().__init__(cfg)
        self.layers = TypedModuleList([ShortformerBlock(cfg) for _ in range(cfg.n_layers)])

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Logits [batch pos d_vocab_out] of tokens [batch pos]."""
        assert input_ids is not None
        assert self.pos is not None
        order = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
        positions = self.pos(order)
        x = self.tok_embed(input_ids)
        for layer in self.layers:
            (x,) = layer(x, attention_mask=attention_mask, positions=positions)
        logits: Tensor = self.head(self.ln_out(x))
        return logits


def boot_shortformer(
    config: TransformerBridgeConfig, device: str, dtype: torch.dtype
) -> TransformerBridge:
    """A bridge round a `ShortformerModel`, as `boot_native` makes one round its own model."""
    with torch.random.fork_rng(devices=[]):
        model = ShortformerModel(config)
    return build_bridge_from_module(
        model.to(device=device, dtype=dtype),
        architecture="TransformerLensNative",
        tl_config=config,
        tokenizer=None,
        dtype=dtype,
        device=device,
        model_name="native",
    )
