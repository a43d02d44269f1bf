"""A transformer as plain tensors, with a forward pass that is written to be read.

The fast engine of `patching` takes its weights from here and computes the same function:

    x = W_E[tokens] + W_pos
    in each layer   q, k, v = ln1(x) W_Q + b_Q, …    pattern = softmax(q k^T / sqrt(d_head))
                    z = pattern v    x += z W_O + b_O    x += act(ln2(x) W_in + b_in) W_out + b_out
    logits = ln_final(x) W_U + b_U

In a shortformer, positions are added to the inputs of q and k in every layer, and never to x. What
else a `Shape` may say changes single lines of this: q and k are normalised in each head and turned
by their positions before they are compared; heads share keys and values; scores and logits are
scaled and capped; keys are seen in a window; neurons are gated; the MLP reads the x that attention
reads; what attention and the MLP write is normalised before it is added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from replications.errors import BadInput, Unsupported
from replications.models import parameters as layout
from replications.models import sites
from replications.models.edits import Edit
from replications.models.families.gpt2 import GPT2, gpt2_shape, gpt2_state_dict
from replications.models.families.settings import Settings
from replications.models.layers import ACTIVATIONS, Layers, capped
from replications.models.shape import Shape
from replications.models.sites import Place

_FOLDABLE = ("ln1_w", "ln1_b", "ln2_w", "ln2_b", "ln_final_w", "ln_final_b")
"""What may be folded into the next matrix."""


@dataclass(frozen=True, eq=False)
class Network(Layers):
    """The weights of a transformer, all layers stacked, with its forward pass."""

    # ---------------------------------------------------------------- where it comes from
    @classmethod
    def from_state_dict(cls, shape: Shape, state_dict: Mapping[str, Tensor]) -> Network:
        """The network of weights in TransformerLens's classic layout (see `parameters.classic`).

        Biases that are absent are zero. LayerNorms without w and b are folded ("LNPre"). Raises
        BadInput for a missing matrix or a wrong shape, and Unsupported for an unknown activation.
        """
        if not shape.attn_only and shape.act_fn not in ACTIVATIONS:
            raise Unsupported(f"act_fn {shape.act_fn!r}: only {', '.join(ACTIVATIONS)} are known")
        table = layout.network_fields(shape)
        dtype = layout.take(state_dict, *table["W_E"]).dtype
        found: dict[str, Tensor | None] = {}
        for field, (pattern, size) in table.items():
            layered = "{layer}" in pattern
            names = [pattern.format(layer=i) for i in range(shape.n_layers if layered else 1)]
            if field in _FOLDABLE and not any(name in state_dict for name in names):
                found[field] = None
                continue
            parts = [layout.take(state_dict, name, size).detach().to(dtype) for name in names]
            found[field] = torch.stack(parts) if layered else parts[0]
        return cls(shape=shape, **found)  # type: ignore[arg-type]

    @classmethod
    def from_hf_gpt2(cls, model: Any, config: Any = None) -> Network:
        """The network of a GPT-2 from `transformers`: the module, or its state dict and config.

        Raises Unsupported for rare options of the config, such as cross-attention.
        """
        weights = model if isinstance(model, Mapping) else model.state_dict()
        settings = Settings.of(model.config if config is None else config)
        shape = gpt2_shape(settings)
        made = cls.from_state_dict(shape, gpt2_state_dict(weights, shape))
        return replace(made, eps=settings.get(*GPT2.eps))

    def to(
        self, device: str | torch.device | None = None, dtype: torch.dtype | None = None
    ) -> Network:
        """This network on another device or in another precision; itself if nothing changes."""
        moved = {
            field.name: value.to(device=device, dtype=dtype)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        same = all(value is getattr(self, name) for name, value in moved.items())
        return self if same else replace(self, **moved)  # type: ignore[arg-type]

    def check(self, tokens: Tensor) -> Tensor:
        """Tokens [batch pos], moved to the network's device. Raises BadInput if they do not fit."""
        if tokens.ndim != 2 or 0 in tokens.shape or tokens.is_floating_point():
            raise BadInput(f"tokens must be whole numbers [batch pos], not {[*tokens.shape]}")
        if tokens.shape[1] > self.shape.n_ctx:
            raise BadInput(f"{tokens.shape[1]} tokens, but the context is {self.shape.n_ctx}")
        if tokens.min() < 0 or tokens.max() >= self.shape.d_vocab:
            raise BadInput(f"a token is outside the vocabulary of {self.shape.d_vocab}")
        return tokens.to(self.device)

    def allowed(self, tokens: Tensor, layer: int | None = None) -> Tensor:
        """Whether a query may look at a key: bool [batch|1 1 query key].

        Windows count where a layer is given.
        """
        length = tokens.shape[1]
        square = torch.ones(length, length, dtype=torch.bool, device=tokens.device)
        if self.shape.attention == "causal":
            square = square.tril()
        if layer is not None and (window := self.shape.window(layer)) is not None:
            square = square.triu(1 - window)
        if self.shape.pad_token is None:
            return square[None, None]
        return square & (tokens != self.shape.pad_token)[:, None, None, :]

    def masks(self, tokens: Tensor) -> list[Tensor]:
        """`allowed` for each layer."""
        windows = [self.shape.window(layer) for layer in range(self.shape.n_layers)]
        made = {w: self.allowed(tokens, windows.index(w)) for w in set(windows)}
        return [made[window] for window in windows]

    # ---------------------------------------------------------------- the forward pass
    def forward(self, tokens: Tensor, edits: Sequence[Edit] = ()) -> Tensor:
        """Logits [batch pos d_vocab_out] of tokens [batch pos], with `edits` made on the way."""
        return self._run(tokens, edits)[0]

    def cache(self, tokens: Tensor, edits: Sequence[Edit] = ()) -> dict[Place, Tensor]:
        """Every activation of a run, after the edits, by its place: `cache[sites.Z(2)]`.

        Gradients flow from what the edits put in.
        """
        return self._run(tokens, edits)[1]

    def _run(self, tokens: Tensor, edits: Sequence[Edit]) -> tuple[Tensor, dict[Place, Tensor]]:
        tokens = self.check(tokens)
        shape, seen = self.shape, {}
        rows = slice(0, len(tokens))

        def at(place: Place, value: Tensor) -> Tensor:
            for edit in edits:
                if (edit.place.site, edit.place.layer) == (place.site, place.layer):
                    value, index = value.clone(), edit.place.index
                    value[index] = edit.change(value[index].clone(), rows)
            seen[place] = value
            return value

        x = at(sites.EMBED(), self.W_E[tokens])
        positions = torch.zeros_like(x)
        if shape.positions in ("standard", "shortformer"):
            added = at(sites.POS_EMBED(), self.W_pos[: tokens.shape[1]].expand_as(x))
            x, positions = (x + added, positions) if shape.positions == "standard" else (x, added)
        for layer, allowed in enumerate(self.masks(tokens)):
            x = at(sites.RESID_PRE(layer), x)
            mid = x + self._attention(layer, x, positions, allowed, at)
            if shape.parallel:
                x = mid + self._mlp(layer, x, at)
            else:
                x = at(sites.RESID_MID(layer), mid)
                if not shape.attn_only:
                    x = x + self._mlp(layer, x, at)
            x = at(sites.RESID_POST(layer), x)
            if shape.attn_only:
                # Without an MLP, resid_mid and resid_post are one stream.
                seen[sites.RESID_MID(layer)] = x
        x = self.norm("ln_final", None, x)
        if shape.normalization is not None:
            x = at(sites.LN_FINAL(), x)
        for edit in edits:
            if edit.place.site(edit.place.layer) not in seen:
                raise BadInput(f"{edit.place!r}: this model has no such activation")
        return capped(x @ self.W_U + self.b_U, shape.logit_cap), seen

    def _attention(
        self,
        layer: int,
        x: Tensor,
        positions: Tensor,
        allowed: Tensor,
        at: Callable[[Place, Tensor], Tensor],
    ) -> Tensor:
        x = self.norm("ln1", layer, x)
        if self.shape.normalization is not None:
            x = at(sites.LN1(layer), x)
        placed = x + positions
        q, k, v = (
            torch.einsum("bpd,hdk->bphk", value, W[layer]) + b[layer]
            for value, W, b in (
                (placed, self.W_Q, self.b_Q),
                (placed, self.W_K, self.b_K),
                (x, self.W_V, self.b_V),
            )
        )
        k, v = self.shared(k), self.shared(v)
        q, k, v = at(sites.Q(layer), q), at(sites.K(layer), k), at(sites.V(layer), v)
        where = torch.arange(x.shape[1], device=x.device)
        q, k = self.compared("q", layer, q, where), self.compared("k", layer, k, where)
        scores = self.scaled(layer, torch.einsum("bqhk,bjhk->bhqj", q, k))
        pattern = scores.masked_fill(~allowed, -math.inf).softmax(-1)
        # A query that may look at no key would be NaN.
        pattern = at(sites.PATTERN(layer), pattern.masked_fill(~allowed, 0.0))
        z = at(sites.Z(layer), torch.einsum("bhqj,bjhk->bqhk", pattern, v))
        out = torch.einsum("bqhk,hkd->bqd", z, self.W_O[layer]) + self.b_O[layer]
        return at(sites.ATTN_OUT(layer), self.written("ln1", layer, out))

    def _mlp(self, layer: int, x: Tensor, at: Callable[[Place, Tensor], Tensor]) -> Tensor:
        x = self.norm("ln2", layer, x)
        if self.shape.normalization is not None:
            x = at(sites.LN2(layer), x)
        post = at(sites.MLP_POST(layer), self.neurons(layer, x))
        out = self.written("ln2", layer, post @ self.W_out[layer] + self.b_out[layer])
        return at(sites.MLP_OUT(layer), out)
