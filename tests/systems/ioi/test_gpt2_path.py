"""The claims about GPT-2 small, on a random model of its layers and heads in its file formats.

The published weights cannot be had everywhere. What can be shown without them: that they would
open, and that every claim and every control can then be measured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from types import ModuleType

import pytest
import safetensors.torch
import torch

from claims.ioi import (
    test_1_early_induction,
    test_2_previous_tokens,
    test_3_backup,
    test_4_signals,
    test_5_decomposed,
)
from replications.judging.claim import Claim
from replications.judging.verdict import judge
from replications.lens.pretrained import open_gpt2
from replications.systems.ioi import IoiSubject, Task
from replications.systems.ioi.roles import PUBLISHED
from replications.systems.ioi.subjects import GPT2, SUBJECTS
from tests.systems.ioi.test_prompts import byte_pairs

LAYERS, HEADS, WIDTH = 12, 12, 24
FILES: tuple[ModuleType, ...] = (
    test_1_early_induction,
    test_2_previous_tokens,
    test_3_backup,
    test_4_signals,
    test_5_decomposed,
)


def claims(group: str = GPT2) -> Iterator[Claim]:
    for file in FILES:
        for value in vars(file).values():
            found = getattr(value, "claim", None)
            if isinstance(found, Claim) and group in found.expect:
                yield found


def weights(vocabulary: int) -> bytes:
    """Random, in the published names and layout."""
    sizes: dict[str, tuple[int, ...]] = {"wte.weight": (vocabulary, WIDTH)}
    sizes |= {"wpe.weight": (64, WIDTH), "ln_f.weight": (WIDTH,), "ln_f.bias": (WIDTH,)}
    for layer in range(LAYERS):
        for name, (rows, columns) in {
            "attn.c_attn": (WIDTH, 3 * WIDTH),
            "attn.c_proj": (WIDTH, WIDTH),
            "mlp.c_fc": (WIDTH, 4 * WIDTH),
            "mlp.c_proj": (4 * WIDTH, WIDTH),
        }.items():
            sizes[f"h.{layer}.{name}.weight"] = (rows, columns)
            sizes[f"h.{layer}.{name}.bias"] = (columns,)
        for name in ("ln_1", "ln_2"):
            sizes |= {f"h.{layer}.{name}.{part}": (WIDTH,) for part in ("weight", "bias")}
    generator = torch.Generator().manual_seed(0)
    scale = 1 / math.sqrt(WIDTH)
    drawn = {n: scale * torch.randn(size, generator=generator) for n, size in sizes.items()}
    return safetensors.torch.save(drawn)


@pytest.fixture(scope="module")
def stand_in() -> IoiSubject:
    tokenizer = byte_pairs()
    config = {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2",
        "n_embd": WIDTH,
        "n_head": HEADS,
        "n_layer": LAYERS,
        "n_positions": 64,
        "vocab_size": len(tokenizer),
    }
    lens = open_gpt2(json.dumps(config).encode(), weights(len(tokenizer)))
    return IoiSubject(GPT2, Task(lens, tokenizer, bos=False, n=12), roles=PUBLISHED)


def test_there_are_claims_about_it() -> None:
    assert len(list(claims())) > 35


@pytest.mark.parametrize("claim", list(claims()), ids=lambda claim: claim.id)
def test_every_claim_and_control_can_be_measured(claim: Claim, stand_in: IoiSubject) -> None:
    info = next(info for info in SUBJECTS if info.name == GPT2)
    row = judge(claim, info, stand_in)
    assert row.holds is not None
    assert row.measured is not None


def test_attribution_is_complete_on_a_model_that_was_folded(stand_in: IoiSubject) -> None:
    assert stand_in.task.attribution.residual < 1e-4
    assert abs(sum(stand_in.name_movers.ablation.recovered_by.values())) == pytest.approx(
        abs(stand_in.name_movers.ablation.recovery), rel=1e-3
    )
