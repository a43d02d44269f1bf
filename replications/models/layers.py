"""The weights of a transformer, and the parts of its layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from replications.models.rotary import Rotary, table, turned
from replications.models.shape import Shape

EPSILON = 1e-5
"""What LayerNorm adds to the variance, unless a model says otherwise."""

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}


@dataclass(frozen=True, eq=False)
class Layers:
    """The weights of a transformer, all layers stacked, with the axes of TransformerLens.

    The LayerNorms' w and b are None if they are folded into the next matrix, or if the shape has
    no LayerNorm; b is also None for an RMS norm. In a model without MLPs, W_in and W_out have no
    neurons. Where heads share keys and values, W_K, W_V, b_K and b_V have fewer heads.
    """

    shape: Shape
    W_E: Tensor
    """[d_vocab d_model]"""
    W_pos: Tensor
    """[n_ctx d_model], or without rows where positions are not added"""
    W_Q: Tensor
    """[layer head d_model d_head], as W_K and W_V"""
    W_K: Tensor
    W_V: Tensor
    W_O: Tensor
    """[layer head d_head d_model]"""
    b_Q: Tensor
    """[layer head d_head], as b_K and b_V"""
    b_K: Tensor
    b_V: Tensor
    b_O: Tensor
    """[layer d_model]"""
    W_in: Tensor
    """[layer d_model d_mlp]"""
    b_in: Tensor
    """[layer d_mlp]"""
    W_out: Tensor
    """[layer d_mlp d_model]"""
    b_out: Tensor
    """[layer d_model]"""
    W_U: Tensor
    """[d_model d_vocab_out]"""
    b_U: Tensor
    """[d_vocab_out]"""
    ln1_w: Tensor | None = None
    """[layer d_model], as the three below; ln_final has [d_model]"""
    ln1_b: Tensor | None = None
    ln2_w: Tensor | None = None
    ln2_b: Tensor | None = None
    ln_final_w: Tensor | None = None
    ln_final_b: Tensor | None = None
    ln1_post_w: Tensor | None = None
    """[layer d_model], for what attention writes; ln2_post for what the MLP writes"""
    ln2_post_w: Tensor | None = None
    q_norm_w: Tensor | None = None
    """[layer d_head], as the three below"""
    q_norm_b: Tensor | None = None
    k_norm_w: Tensor | None = None
    k_norm_b: Tensor | None = None
    W_gate: Tensor | None = None
    """[layer d_model d_mlp]"""
    b_gate: Tensor | None = None
    """[layer d_mlp]"""
    eps: float = EPSILON

    @property
    def device(self) -> torch.device:
        return self.W_E.device

    @property
    def dtype(self) -> torch.dtype:
        return self.W_E.dtype

    # ---------------------------------------------------------------- parts of a forward pass
    def norm(self, name: str, layer: int | None, x: Tensor) -> Tensor:
        """Norm `name` (ln1, ln2, ln_final …) of x [… d_model]; x itself without LayerNorms."""
        if self.shape.normalization is None:
            return x
        w, b = getattr(self, f"{name}_w"), getattr(self, f"{name}_b", None)
        if layer is not None:
            w, b = (None if p is None else p[layer] for p in (w, b))
        if self.shape.normalization == "RMS":
            return F.rms_norm(x, x.shape[-1:], w, self.eps)
        return F.layer_norm(x, x.shape[-1:], w, b, self.eps)

    def written(self, name: str, layer: int, out: Tensor) -> Tensor:
        """What is added to the stream of an output [… d_model] of attention (ln1) or MLP (ln2)."""
        return self.norm(f"{name}_post", layer, out) if self.shape.post_norms else out

    def post_scale(self, layer: int, out: Tensor) -> Tensor:
        """What attention's output is multiplied by when it is written: [… d_model].

        The RMS norm of a sum is the sum of its parts, each times this: a head's share of it.
        """
        assert self.ln1_post_w is not None
        size = (out.square().mean(-1, keepdim=True) + self.eps).rsqrt()
        return size * self.ln1_post_w[layer]

    def activation(self, x: Tensor) -> Tensor:
        """The non-linearity of the MLPs."""
        return ACTIVATIONS[self.shape.act_fn](x)

    def neurons(self, layer: int, x: Tensor) -> Tensor:
        """The neurons [… d_mlp] of what an MLP reads, after its norm: [… d_model]."""
        up = x @ self.W_in[layer] + self.b_in[layer]
        if self.W_gate is None or self.b_gate is None:
            return self.activation(up)
        return self.activation(x @ self.W_gate[layer] + self.b_gate[layer]) * up

    def mlp(self, layer: int, x: Tensor) -> Tensor:
        """What an MLP writes that reads the streams x [… d_model]."""
        neurons = self.neurons(layer, self.norm("ln2", layer, x))
        return self.written("ln2", layer, neurons @ self.W_out[layer] + self.b_out[layer])

    def shared(self, x: Tensor) -> Tensor:
        """Keys or values [… key_value_head d_head] as each head sees them: [… head d_head]."""
        times = self.shape.n_heads // self.shape.key_value_heads
        return x if times == 1 else x.repeat_interleave(times, dim=-2)

    def head_input(self, name: str, layer: int) -> tuple[Tensor, Tensor]:
        """W [head d_model d_head] and b [head d_head] of queries, keys or values (q, k, v).

        One for each head, also where heads share them.
        """
        W: Tensor
        b: Tensor
        W, b = (getattr(self, f"{kind}_{name.upper()}")[layer] for kind in "Wb")
        if len(W) == self.shape.n_heads:
            return W, b
        times = self.shape.n_heads // len(W)
        return W.repeat_interleave(times, dim=0), b.repeat_interleave(times, dim=0)

    def compared(self, name: str, layer: int, x: Tensor, positions: Tensor) -> Tensor:
        """What scores compare of queries or keys (q, k) x [… pos head d_head], at positions [pos].

        Normalised in each head, and turned; x itself if the shape has neither.
        """
        if self.shape.qk_norm:
            x = self.norm(f"{name}_norm", layer, x)
        if not self.shape.rotary:
            return x
        cos, sin = table(self._rates[self.shape.rotary[layer]], positions)
        return turned(x, cos[:, None].to(x.dtype), sin[:, None].to(x.dtype))

    @cached_property
    def _rates(self) -> dict[Rotary, Tensor]:
        """The rates of each rotation, where the weights are."""
        return {rotary: rotary.rates().to(self.device) for rotary in self.shape.rotary or ()}

    def scaled(self, layer: int, products: Tensor) -> Tensor:
        """Scores, from products of queries and keys."""
        scale = self.shape.score_scale(layer)
        scores = products / math.sqrt(self.shape.d_head) if scale is None else products * scale
        return capped(scores, self.shape.score_cap)

    def unembed(self, x: Tensor) -> Tensor:
        """Logits [… d_vocab_out] of final streams [… d_model], before the last norm."""
        x = self.norm("ln_final", None, x)
        return capped(x @ self.W_U + self.b_U, self.shape.logit_cap)


def capped(x: Tensor, cap: float | None) -> Tensor:
    """c tanh(x / c) for a cap c; x itself for None."""
    return x if cap is None else cap * torch.tanh(x / cap)
