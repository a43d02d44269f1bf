"""The architecture of a transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from replications.errors import BadInput
from replications.models.rotary import Rotary

Head = tuple[int, int]
"""One attention head: its layer and its number there, both from 0."""


@dataclass(frozen=True)
class Shape:
    """The architecture of a transformer, in TransformerLens's terms.

    "shortformer" positions are added to the inputs of queries and keys, never to the residual
    stream. Without MLPs (`attn_only`) `d_mlp` is 0, and `resid_mid` and `resid_post` are the same
    stream. Raises BadInput for a combination that is not supported.
    """

    n_layers: int
    n_heads: int
    d_model: int
    d_head: int
    d_mlp: int
    n_ctx: int
    d_vocab: int
    d_vocab_out: int
    act_fn: str = "relu"
    attention: Literal["causal", "bidirectional"] = "causal"
    pad_token: int | None = None
    attn_only: bool = False
    normalization: Literal["LN", "RMS"] | None = "LN"
    positions: Literal["standard", "shortformer", "rotary", "none"] = "standard"
    n_key_value_heads: int | None = None
    """Grouped-query attention: fewer heads of keys and values, each for equally many heads of
    queries, in order. None: as many as `n_heads`."""
    rotary: tuple[Rotary, ...] = ()
    """The rotations of each layer; none unless `positions` is "rotary"."""
    windows: tuple[int | None, ...] = ()
    """How many keys back a query of each layer sees, itself included; None or () for all."""
    score_scales: tuple[float, ...] = ()
    """What the scores of each layer are multiplied by; () for 1/sqrt(d_head)."""
    score_cap: float | None = None
    """c, where scores s become c tanh(s / c)."""
    logit_cap: float | None = None
    """The same for the logits."""
    qk_norm: bool = False
    """Whether queries and keys are normalised in each head, before rotation."""
    post_norms: bool = False
    """Whether what attention and the MLP write is normalised first (RMS only)."""
    gated: bool = False
    """Whether neurons are act(x W_gate) * (x W_in)."""
    parallel: bool = False
    """Whether the MLP reads the same stream as attention, so that there is no resid_mid."""

    def __post_init__(self) -> None:
        if self.attn_only != (self.d_mlp == 0):
            raise BadInput(
                f"attn_only={self.attn_only} contradicts d_mlp={self.d_mlp}: a model has no MLPs "
                "exactly if d_mlp is 0"
            )
        if not self.attn_only and self.positions == "shortformer":
            raise BadInput("a model with MLPs must have standard positions, rotary ones or none")
        if self.n_heads % self.key_value_heads:
            raise BadInput(
                f"{self.n_heads} heads cannot share {self.key_value_heads} heads of keys evenly"
            )
        if (self.positions == "rotary") != bool(self.rotary):
            raise BadInput("give rotations exactly if positions are rotary")
        for name in ("rotary", "windows", "score_scales"):
            if len(getattr(self, name)) not in (0, self.n_layers):
                raise BadInput(f"{name}: give one for each of {self.n_layers} layers, or none")
        if any(each.width % 2 or not 0 < each.width <= self.d_head for each in self.rotary):
            raise BadInput(f"rotations must turn an even number of at most {self.d_head}")
        if self.qk_norm and self.normalization is None:
            raise BadInput("queries and keys cannot be normalised in a model without norms")
        if self.windows and self.attention != "causal":
            raise BadInput("a model whose queries see a window must be causal")
        if self.post_norms and self.normalization != "RMS":
            raise BadInput("norms of what a layer writes must be RMS")
        if self.attn_only and (self.parallel or self.gated):
            raise BadInput("a model without MLPs has no parallel and no gated ones")

    @property
    def key_value_heads(self) -> int:
        """How many heads of keys and values there are."""
        return self.n_heads if self.n_key_value_heads is None else self.n_key_value_heads

    @property
    def classic(self) -> bool:
        """Whether TransformerLens's classic layout has every part of this architecture."""
        plain = (self.rotary, self.windows, self.score_scales, self.score_cap, self.logit_cap)
        parts = (self.qk_norm, self.post_norms, self.gated, self.parallel)
        usual = self.positions in ("standard", "shortformer") and self.normalization != "RMS"
        grouped = self.key_value_heads != self.n_heads
        return usual and not grouped and not any(parts) and all(p in ((), None) for p in plain)

    def window(self, layer: int) -> int | None:
        """How many keys back a query of this layer sees, itself included; None for all."""
        return self.windows[layer] if self.windows else None

    def score_scale(self, layer: int) -> float | None:
        """What the scores of this layer are multiplied by; None for 1/sqrt(d_head)."""
        return self.score_scales[layer] if self.score_scales else None
