"""Small random transformers of every architecture the engines support."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from replications.lens import Lens, open_lens
from replications.models import parameters
from replications.models.network import Network
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
    shape = SHAPES[name]
    return Network.from_state_dict(shape, state_dict(shape, folded=folded, biases=biases))


def tokens(name: str, batch: int = 3, length: int = 6, seed: int = 0) -> Tensor:
    """Random tokens [batch pos]; with a padding token, each row has its own number of them."""
    shape = SHAPES[name]
    generator = torch.Generator().manual_seed(seed)
    found = torch.randint(2, shape.d_vocab, (batch, length), generator=generator)
    if shape.pad_token is not None:
        pads = torch.arange(batch)[:, None] % 3
        found[torch.arange(length) >= length - pads] = shape.pad_token
    return found
