"""A two-layer model with random weights, and its forward pass in plain torch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from replications.models import Head
from replications.systems.list_update import ListUpdateSubject, model
from replications.systems.list_update.data import generate_mixed

EXACT = 1e-9
PREVIOUS: Head = (0, 0)
COPYING: Head = (1, 0)


def random_weights(seed: int = 0) -> dict[str, Tensor]:
    """Larger than before training, so that attention is far from uniform."""
    weights = model.untrained_state_dict(seed)
    return {name: 2.5 * weight.double() for name, weight in weights.items()}


def random_subject() -> ListUpdateSubject:
    lens = model.open_model(random_weights(), dtype="float64")
    return ListUpdateSubject("random", lens, tokens=generate_mixed(60, 5))


def plain(
    weights: Mapping[str, Tensor], tokens: Tensor, cut: str = ""
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Logits, patterns and attention outputs; `cut` names what layer 1 takes from embeddings."""
    x = embedded = weights["embed.W_E"][tokens]
    positions = weights["pos_embed.W_pos"][: tokens.shape[1]]
    hidden = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).triu(1)
    patterns, outs = [], []
    for layer in range(2):
        w = {n: weights[f"blocks.{layer}.attn.W_{n}"][0] for n in "QKVO"}
        source = {n: embedded if layer == 1 and n == cut else x for n in "QKV"}
        q, k = ((source[n] + positions) @ w[n] for n in "QK")
        scores = (q @ k.mT / math.sqrt(128)).masked_fill(hidden, -math.inf)
        patterns.append(scores.softmax(-1))
        outs.append(patterns[-1] @ source["V"] @ w["V"] @ w["O"])
        x = x + outs[-1]
    return x @ weights["unembed.W_U"], patterns, outs


def close(found: Tensor, expected: Tensor) -> bool:
    assert found.shape == expected.shape
    return bool((found - expected).abs().max() < EXACT)
