"""The architecture of a transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from replications.errors import BadInput

Head = tuple[int, int]
"""One attention head: its layer and its number there, both from 0."""


@dataclass(frozen=True)
class Shape:
    """The architecture of a small transformer, in TransformerLens's terms.

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
    normalization: Literal["LN"] | None = "LN"
    positions: Literal["standard", "shortformer"] = "standard"

    def __post_init__(self) -> None:
        if self.attn_only != (self.d_mlp == 0):
            raise BadInput(
                f"attn_only={self.attn_only} contradicts d_mlp={self.d_mlp}: a model has no MLPs "
                "exactly if d_mlp is 0"
            )
        if not self.attn_only and self.positions != "standard":
            raise BadInput("a model with MLPs must have standard positions")
