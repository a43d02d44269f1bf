"""Models with random weights, and prompts of random tokens: speed does not depend on values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import transformers
from torch import Tensor

SIZES = ("full", "tiny")


@dataclass(frozen=True)
class Design:
    """A class of transformers, with the settings of the real model and of a toy of its kind."""

    kind: str
    """What the names of its classes begin with"""
    full: dict[str, Any]
    tiny: dict[str, Any]
    scale: float
    """Standard deviation of the full model's weights: large enough for logits of order one"""

    def config(self, size: str) -> Any:
        """The configuration at "full" or "tiny" size."""
        tiny = size == "tiny"
        return getattr(transformers, f"{self.kind}Config")(
            **(self.tiny if tiny else self.full),
            initializer_range=0.2 if tiny else self.scale,
            max_position_embeddings=64,
            bos_token_id=0,
            eos_token_id=0,
            use_cache=False,
        )


MODELS = {
    "gpt2-small": Design(
        "GPT2",
        {"n_layer": 12, "n_head": 12, "n_embd": 768, "vocab_size": 50257},
        {"n_layer": 3, "n_head": 2, "n_embd": 16, "vocab_size": 50},
        scale=0.04,
    ),
    "pythia-160m": Design(
        "GPTNeoX",
        {
            "num_hidden_layers": 12, "num_attention_heads": 12, "hidden_size": 768,
            "intermediate_size": 3072, "vocab_size": 50304, "rotary_pct": 0.25,
        },
        {
            "num_hidden_layers": 3, "num_attention_heads": 2, "hidden_size": 16,
            "intermediate_size": 64, "vocab_size": 50, "rotary_pct": 0.25,
        },
        scale=0.04,
    ),
    "llama-1b-8-of-16-layers": Design(
        "Llama",
        {
            "num_hidden_layers": 8, "num_attention_heads": 32, "num_key_value_heads": 8,
            "hidden_size": 2048, "intermediate_size": 8192, "vocab_size": 128256,
            "rope_theta": 500000.0, "tie_word_embeddings": True,
        },
        {
            "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
            "hidden_size": 16, "intermediate_size": 24, "vocab_size": 50,
            "tie_word_embeddings": True,
        },
        scale=0.02,
    ),
}  # fmt: skip
"""By name. Pythia 160M has parallel blocks. The last is Llama 3.2 1B with half of its layers."""


@lru_cache(maxsize=1)
def random_model(
    name: str, size: str, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Any:
    """One of MODELS in transformers; the last one is kept, and is the same at every call."""
    config = MODELS[name].config(size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config)
    return model.eval().requires_grad_(False).to(device=device, dtype=dtype)


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
