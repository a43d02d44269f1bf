"""Small random transformers of every architecture the engines support."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from replications.lens import Lens, open_lens
from replications.models import parameters
from replications.models.network import Network
from replications.models.rotary import Rotary
from replications.models.shape import Shape

SIZES = {
    "n_layers": 3, "n_heads": 3, "d_model": 12, "d_head": 5, "n_ctx": 9, "d_vocab": 7,
    "d_vocab_out": 6,
}  # fmt: skip
"""No two sizes of neighbouring axes are equal, and the heads together are wider than the model."""

_GPT = Shape(**SIZES, d_mlp=10, act_fn="gelu_new")  # type: ignore[arg-type]
_ATTENTION_ONLY = replace(_GPT, d_mlp=0, attn_only=True, act_fn="relu")

SHAPES = {
    "gpt": _GPT,
    "gelu": replace(_GPT, act_fn="gelu"),
    "padded": replace(_GPT, act_fn="relu", attention="bidirectional", pad_token=1),
    "causal_padded": replace(_GPT, act_fn="relu", pad_token=1),
    "attention_only": _ATTENTION_ONLY,
    "without_layernorms": replace(_GPT, act_fn="relu", normalization=None),
    "shortformer": replace(_ATTENTION_ONLY, normalization=None, positions="shortformer"),
}
"""Every architecture that TransformerLens can open too."""

_TURNED = (Rotary(4, base=30.0), Rotary(2, base=9.0, factor=2.0), Rotary(4))
_RMS = replace(
    _GPT, normalization="RMS", positions="rotary", rotary=_TURNED, gated=True, act_fn="silu"
)

MODERN = {
    "grouped": replace(_RMS, n_key_value_heads=1, windows=(2, None, 3)),
    "sandwich": replace(
        _RMS, post_norms=True, qk_norm=True, act_fn="gelu_new", score_cap=2.0, logit_cap=3.0,
        score_scales=(0.3, 0.4, 0.5),
    ),
    "parallel": replace(
        _GPT, parallel=True, positions="rotary", rotary=_TURNED, qk_norm=True, act_fn="gelu"
    ),
    "unplaced": replace(
        _GPT, positions="none", normalization="RMS", pad_token=1, parallel=True, gated=True,
        post_norms=True, n_key_value_heads=1, windows=(None, 2, None), act_fn="relu",
    ),
}  # fmt: skip
"""Architectures with the parts of today's decoders, all of them in one or another."""

EVERY = SHAPES | MODERN


def random(*size: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*size, generator=generator, dtype=torch.float64)


def state_dict(
    shape: Shape, *, seed: int = 0, biases: bool = True, folded: bool = False
) -> dict[str, Tensor]:
    """Random weights, float64: LayerNorms far from the identity, no bias zero.

    Without `biases` they are zero; `folded` leaves out the LayerNorms' w and b.
    """
    # Without LayerNorms streams grow from layer to layer: smaller weights keep logits near one.
    scale = 0.5 if shape.normalization else 0.3
    kept = parameters.classic(shape, folded=folded)
    found = {}
    # All parameters are numbered, so that a folded model has the matrices of the whole one.
    for i, (name, size) in enumerate(parameters.classic(shape).items()):
        if name not in kept:
            continue
        value = scale * random(*size, seed=10_000 * seed + i)
        plain = biases or not parameters.is_bias(name)
        found[name] = value if plain else torch.zeros_like(value)
        if name.endswith(".w"):
            found[name] += 1
    return found


@cache
def lens(name: str, dtype: torch.dtype = torch.float64) -> Lens:
    """TransformerLens's own model of this architecture."""
    return open_lens(SHAPES[name], state_dict(SHAPES[name]), dtype=dtype)


@cache
def network(name: str, *, folded: bool = False, biases: bool = True) -> Network:
    """The same weights as plain tensors, float64."""
    shape = EVERY[name]
    return Network.from_state_dict(shape, state_dict(shape, folded=folded, biases=biases))


def tokens(name: str, batch: int = 3, length: int = 6, seed: int = 0) -> Tensor:
    """Random tokens [batch pos]; with a padding token, each row has its own number of them."""
    shape = EVERY[name]
    generator = torch.Generator().manual_seed(seed)
    found = torch.randint(2, shape.d_vocab, (batch, length), generator=generator)
    if shape.pad_token is not None:
        pads = torch.arange(batch)[:, None] % 3
        found[torch.arange(length) >= length - pads] = shape.pad_token
    return found


def pair(name: str) -> tuple[Tensor, Tensor]:
    """Base and source tokens, equal at the first two positions."""
    base, source = tokens(name, seed=1), tokens(name, seed=2)
    source[:, :2] = base[:, :2]
    return base, source


def positions(name: str) -> Tensor:
    """Where the metric of a pair is read."""
    return torch.tensor([0, 0, 2] if EVERY[name].attention == "bidirectional" else [5, 3, 5])
