"""Pairs of prompts, and heads to patch between them."""

from __future__ import annotations

import torch
from torch import Tensor

from replications.models.shape import Head
from tests.random_models import tokens

JOINT: list[list[Head]] = [[(0, 1), (1, 2)], [(1, 0), (0, 0), (2, 1)]]
EARLY = [(1, 0), (1, 2)]
ANSWERS = torch.tensor([[0, 1], [3, 2], [4, 5]])


def pair(name: str) -> tuple[Tensor, Tensor]:
    """Base and source tokens, equal at the first two positions."""
    base, source = tokens(name, seed=1), tokens(name, seed=2)
    source[:, :2] = base[:, :2]
    return base, source
