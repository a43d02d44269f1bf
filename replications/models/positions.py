"""Positional tables that are computed, not learned."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sinusoids(positions: int, width: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Fixed positions, float32 [pos d_model]: sines in even columns, cosines in odd ones.

    Column pair i of position p has the angle p / 10⁴^(2i / width), as in Vaswani et al. 2017.
    `dtype` is the precision of the computation; the result is float32 always.
    """
    rates = torch.exp(torch.arange(0, width, 2, dtype=dtype) * (-math.log(1e4) / width))
    angles = torch.arange(positions, dtype=dtype)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).float()
