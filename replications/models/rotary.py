"""Rotary positions: pairs of dimensions of queries and keys are turned by angles p / base^(2i/n).

As in Hugging Face's transformers, dimension i of the first n is paired with dimension i + n/2, and
the angles and their cosines are computed in float32, whatever the precision of the model is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Stretch:
    """How Llama 3.1 stretches its slow rotations to a longer context ("llama3")."""

    factor: float
    low: float
    """Waves longer than context / low are stretched by `factor`."""
    high: float
    """Waves shorter than context / high are left as they are; between both it is interpolated."""
    context: int
    """The context that the model was first trained with."""


@dataclass(frozen=True)
class Rotary:
    """The rotations of one layer."""

    width: int
    """How many dimensions of a head are turned, the first ones; even."""
    base: float = 10_000.0
    factor: float = 1.0
    """What all angles are divided by ("linear" scaling)."""
    stretch: Stretch | None = None

    def rates(self) -> Tensor:
        """The angle per position of each pair of dimensions, float32 [width / 2]."""
        rates = 1.0 / (self.base ** (torch.arange(0, self.width, 2).float() / self.width))
        if self.factor != 1:
            rates = rates / self.factor
        return rates if self.stretch is None else _stretched(rates, self.stretch)


def _stretched(rates: Tensor, stretch: Stretch) -> Tensor:
    waves = 2 * math.pi / rates
    share = (stretch.context / waves - stretch.low) / (stretch.high - stretch.low)
    between = (1 - share) * rates / stretch.factor + share * rates
    long, short = waves > stretch.context / stretch.low, waves < stretch.context / stretch.high
    return torch.where(long, rates / stretch.factor, torch.where(short, rates, between))


def table(rates: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines of positions [n] at these rates [width / 2]: float32 [n width]."""
    angles = positions[:, None].float() * rates
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x [… d_head] with its first dimensions turned; cos and sin are [… width] and broadcast.

    >>> cos, sin = table(Rotary(2).rates(), torch.tensor([0, 1]))
    >>> turned(torch.tensor([1.0, 0.0, 5.0]).expand(2, 3), cos, sin).round(decimals=3)
    tensor([[1.0000, 0.0000, 5.0000],
            [0.5400, 0.8410, 5.0000]])
    """
    width = cos.shape[-1]
    first, rest = x[..., :width], x[..., width:]
    half = torch.cat([-first[..., width // 2 :], first[..., : width // 2]], dim=-1)
    found = first * cos + half * sin
    return found if width == x.shape[-1] else torch.cat([found, rest], dim=-1)
