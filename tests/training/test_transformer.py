"""The plain transformer the toys are trained with: the same numbers as TransformerLens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.lens import open_lens
from replications.models import parameters
from replications.models.edits import put
from replications.models.shape import Shape
from replications.models.sites import Z
from replications.training import transformer as gpt

SHAPE = Shape(
    n_layers=2,
    n_heads=3,
    d_model=12,
    d_head=4,
    d_mlp=20,
    n_ctx=7,
    d_vocab=11,
    d_vocab_out=11,
    act_fn="gelu_new",
)
ATTENTION_ONLY = Shape(
    n_layers=2,
    n_heads=2,
    d_model=8,
    d_head=5,
    d_mlp=0,
    n_ctx=7,
    d_vocab=11,
    d_vocab_out=11,
    attn_only=True,
)


def weights(shape: Shape) -> dict[str, Tensor]:
    """Random everywhere: no bias zero, no LayerNorm the identity."""
    generator = torch.Generator().manual_seed(3)
    return {
        name: (1.0 if name.endswith(".w") else 0.0)
        + 0.4 * torch.randn(size, generator=generator, dtype=torch.float64)
        for name, size in parameters.classic(shape).items()
    }


def tokens(rows: int = 3, length: int = 6) -> Tensor:
    return torch.randint(0, 11, (rows, length), generator=torch.Generator().manual_seed(4))


WITHOUT_LAYERNORMS = replace(SHAPE, act_fn="relu", normalization=None)


@pytest.mark.parametrize(
    "shape",
    [SHAPE, ATTENTION_ONLY, WITHOUT_LAYERNORMS],
    ids=["with-mlps", "attention-only", "without-layernorms"],
)
def test_a_lens_opened_on_the_weights_gives_the_same_logits(shape: Shape) -> None:
    there = open_lens(shape, weights(shape), dtype=torch.float64).run(tokens()).logits
    assert (gpt.forward(weights(shape), tokens(), shape) - there).abs().max() < 1e-10


@pytest.mark.parametrize("act_fn", ["relu", "gelu", "gelu_new"])
def test_every_activation_is_transformer_lens_s(act_fn: str) -> None:
    shape = replace(SHAPE, act_fn=act_fn)
    there = open_lens(shape, weights(shape), dtype=torch.float64).run(tokens()).logits
    assert (gpt.forward(weights(shape), tokens(), shape) - there).abs().max() < 1e-10


def test_a_dropped_head_is_one_with_zero_output() -> None:
    keep = torch.ones(2, 1, 1, 3, dtype=torch.float64)
    keep[1, :, :, 2] = 0
    lens = open_lens(SHAPE, weights(SHAPE), dtype=torch.float64)
    there = lens.run(tokens(), edits=[put(Z(1).pick(head=2), torch.zeros(1))]).logits
    assert (gpt.forward(weights(SHAPE), tokens(), SHAPE, keep=keep) - there).abs().max() < 1e-10


def test_dropout_leaves_out_whole_heads_at_their_rate() -> None:
    rates = torch.tensor([[0.0, 0.5], [0.25, 0.75]])
    kept = gpt.head_dropout(rates, 4000, torch.Generator().manual_seed(0), rescale=False)
    assert kept.shape == (2, 4000, 1, 2)
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert (kept.mean((1, 2)) - (1 - rates)).abs().max() < 0.03


def test_rescaled_dropout_keeps_the_mean() -> None:
    rates = torch.full((1, 2), 0.25)
    kept = gpt.head_dropout(rates, 4000, torch.Generator().manual_seed(0))
    assert set(kept.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert (kept.mean((1, 2)) - 1).abs().max() < 0.03


def test_untrained_weights_are_smaller_where_they_write_to_the_stream() -> None:
    wide = replace(SHAPE, d_model=60, d_mlp=80)
    found = gpt.untrained_state_dict(wide, seed=1)
    assert {name: tuple(w.shape) for name, w in found.items()} == parameters.classic(wide)
    reads, writes = (found[f"blocks.1.mlp.{name}"].std().item() for name in ("W_in", "W_out"))
    assert reads == pytest.approx(0.8 / 60**0.5, rel=0.05)
    assert writes == pytest.approx(reads / 2, rel=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"attention": "bidirectional"}, "causal"), ({"act_fn": "swish"}, "swish")],
)
def test_other_architectures_are_refused(change: dict[str, Any], message: str) -> None:
    other = replace(SHAPE, **change)
    with pytest.raises(BadInput, match=message):
        gpt.untrained_state_dict(other)
    with pytest.raises(BadInput, match=message):
        gpt.forward(weights(SHAPE), tokens(), other)


def test_a_rate_of_dropout_is_a_share_below_one() -> None:
    with pytest.raises(BadInput, match="rates"):
        gpt.head_dropout(torch.ones(1, 2), 3, torch.Generator())
