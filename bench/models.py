"""A GPT-2 with random weights, and prompts of random tokens: speed does not depend on values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

SIZES: dict[str, dict[str, Any]] = {
    "gpt2-small": {"n_layer": 12, "n_head": 12, "n_embd": 768, "vocab_size": 50257},
    "tiny": {"n_layer": 3, "n_head": 2, "n_embd": 16, "vocab_size": 50},
}
SCALE = {"gpt2-small": 0.04, "tiny": 0.2}
"""Standard deviation of the weights: large enough for logits of order one."""


@cache
def gpt2(size: str, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> GPT2LMHeadModel:
    """The model in transformers, the same at every call."""
    config = GPT2Config(
        **SIZES[size],
        n_positions=64,
        initializer_range=SCALE[size],
        bos_token_id=0,
        eos_token_id=0,
        use_cache=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = GPT2LMHeadModel(config)
    placed: GPT2LMHeadModel = model.eval().requires_grad_(False).to(device=device, dtype=dtype)
    return placed


@dataclass(frozen=True)
class Prompts:
    """A batch of pairs that differ from position `first` on, or there alone."""

    batch: int
    length: int
    first: int = 0
    only: bool = False

    def __str__(self) -> str:
        shared = f", equal up to {self.first}" if self.first else ""
        return f"B={self.batch} T={self.length}{shared}"

    def tokens(self, vocabulary: int) -> tuple[Tensor, Tensor]:
        """Base and source, each [batch pos]."""
        generator = torch.Generator().manual_seed(1)
        size = (self.batch, self.length)
        base = torch.randint(vocabulary, size, generator=generator)
        source = base.clone()
        changed = slice(self.first, self.first + 1 if self.only else None)
        step = torch.randint(1, vocabulary, size, generator=generator)
        source[:, changed] = (base + step)[:, changed] % vocabulary
        return base, source

    def answers(self, vocabulary: int) -> Tensor:
        """Two different tokens for each pair, [batch 2]."""
        first = torch.arange(self.batch) % vocabulary
        return torch.stack([first, (first + vocabulary // 2) % vocabulary], dim=1)


TUTORIAL = Prompts(batch=1, length=15, first=10, only=True)
"""As "When John and Mary went … , John gave": one name changes, at position 10."""
DISJOINT = Prompts(batch=1, length=15)
IOI = Prompts(batch=25, length=13)
