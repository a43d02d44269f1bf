"""The toy architecture, and random weights of any architecture to compare with."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from replications.lens import Lens
from replications.models.shape import Shape
from replications.systems.ioi.data import CONTEXT, toy_tokenizer

RANDOM_SEED = 0


def shape(layers: int, heads: int, d_model: int, d_mlp: int) -> Shape:
    """A GPT-2-style model of this size on the toy vocabulary; without MLPs if `d_mlp` is 0."""
    vocabulary = len(toy_tokenizer())
    return Shape(
        n_layers=layers,
        n_heads=heads,
        d_model=d_model,
        d_head=d_model // heads,
        d_mlp=d_mlp,
        n_ctx=CONTEXT,
        d_vocab=vocabulary,
        d_vocab_out=vocabulary,
        act_fn="gelu_new",
        attn_only=d_mlp == 0,
    )


def untrained_like(lens: Lens) -> dict[str, Tensor]:
    """Random weights with the names and shapes of a lens's own.

    Matrices are normal with standard deviation 0.8 / sqrt(d_model), those that write into the
    residual stream smaller by sqrt(2 · layers); LayerNorms are the identity, biases zero.
    """
    generator = torch.Generator().manual_seed(RANDOM_SEED)
    scale = 0.8 / math.sqrt(lens.shape.d_model)
    found = {}
    for name, weight in lens.state_dict.items():
        last = name.split(".")[-1]
        if not last.startswith("W_"):
            found[name] = torch.ones_like(weight) if last == "w" else torch.zeros_like(weight)
            continue
        std = scale / math.sqrt(2 * lens.shape.n_layers) if last in ("W_O", "W_out") else scale
        drawn = torch.randn(weight.shape, generator=generator) * std
        found[name] = drawn.to(weight.dtype)
    return found
