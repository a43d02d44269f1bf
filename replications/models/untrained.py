"""Random weights of an architecture: what training starts from, and what controls measure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models.parameters import Size, is_matrix
from replications.models.shape import Shape

Spread = Callable[[str, Size], float]
"""The standard deviation of a matrix's elements, from its classic name and its size."""


def untrained(sizes: Mapping[str, Size], spread: Spread, seed: int) -> dict[str, Tensor]:
    """Random weights, float32 on the CPU, by the names and sizes of `sizes`.

    Matrices are normal with mean 0 and the standard deviation that `spread` gives, drawn in the
    order of `sizes`; LayerNorms are the identity, other biases zero. Equal seeds give equal bits.
    Raises BadInput for a negative seed.
    """
    if seed < 0:
        raise BadInput(f"seed must be at least 0, not {seed}")
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, size in sizes.items():
        if is_matrix(name):
            found[name] = torch.randn(size, generator=generator) * spread(name, size)
        else:
            found[name] = torch.ones(size) if name.endswith(".w") else torch.zeros(size)
    return found


def by_width(d_model: int) -> Spread:
    """0.8 / sqrt(d_model) for every matrix, TransformerLens's default for HookedTransformer."""
    return lambda name, size: 0.8 / math.sqrt(d_model)


def by_width_and_depth(shape: Shape) -> Spread:
    """As `by_width`, but matrices that write to the residual stream are smaller, as in GPT-2.

    W_O and W_out have 0.8 / sqrt(d_model) / sqrt(2 · layers).
    """
    scale = 0.8 / math.sqrt(shape.d_model)
    writing = scale / math.sqrt(2 * shape.n_layers)
    return lambda name, size: writing if name.endswith((".W_O", ".W_out")) else scale


def by_fan_in(name: str, size: Size) -> float:
    """1 / sqrt(fan-in), and 1 for embeddings and positions."""
    return 1.0 if name.endswith((".W_E", ".W_pos")) else size[-2] ** -0.5
