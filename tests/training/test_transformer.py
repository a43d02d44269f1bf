"""The plain transformer the toys are trained with: the same numbers as TransformerLens."""

from __future__ import annotations

from dataclasses import replace

import pytest
import safetensors.torch
import torch
from torch import Tensor

from replications.errors import BadInput, ReplicationError
from replications.lens import open_lens
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
        for name, size in gpt.parameter_shapes(shape).items()
    }


def tokens(rows: int = 3, length: int = 6) -> Tensor:
    return torch.randint(0, 11, (rows, length), generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("shape", [SHAPE, ATTENTION_ONLY], ids=["with-mlps", "attention-only"])
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


def test_learning_lowers_the_loss_and_leaves_the_start_alone() -> None:
    start = gpt.untrained_state_dict(SHAPE, seed=1)
    before = {name: w.clone() for name, w in start.items()}
    given = tokens(20, 7)

    def loss(w: object, step: int) -> Tensor:
        logits = gpt.forward(w, given[:, :-1], SHAPE)  # type: ignore[arg-type]
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), given[:, 1:].flatten())

    learned, losses = gpt.learn(start, loss, 60, learning_rate=1e-2, warmup=5)
    again, _ = gpt.learn(start, loss, 60, learning_rate=1e-2, warmup=5)
    assert losses[-1] < 0.7 * losses[0]
    assert all(torch.equal(before[name], w) for name, w in start.items())
    assert all(torch.equal(again[name], w) for name, w in learned.items())
    assert not any(w.requires_grad for w in learned.values())


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    start = gpt.untrained_state_dict(SHAPE)
    with pytest.raises(ReplicationError, match="diverged at step 0"):
        gpt.learn(start, lambda w, _: w["unembed.b_U"].sum() / 0 * 0, 3, learning_rate=1e-3)


def test_weights_survive_a_file() -> None:
    start = gpt.untrained_state_dict(SHAPE, seed=2)
    back = gpt.read_state_dict(safetensors.torch.save(start), "x.safetensors", SHAPE)
    assert all(torch.equal(back[name], w) for name, w in start.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ln_final.w": None}, "ln_final.w is missing"),
        ({"extra": torch.zeros(1)}, "extra is not a parameter"),
        ({"ln_final.w": torch.zeros(3)}, "ln_final.w has shape"),
        ({"ln_final.b": torch.full((12,), torch.nan)}, "ln_final.b is not finite"),
    ],
)
def test_weights_that_do_not_fit_are_named(change: dict[str, Tensor | None], message: str) -> None:
    given = {**gpt.untrained_state_dict(SHAPE), **change}
    with pytest.raises(BadInput, match=message):
        gpt.check_state_dict({n: w for n, w in given.items() if w is not None}, SHAPE)


def test_other_architectures_are_refused() -> None:
    with pytest.raises(BadInput, match="causal"):
        gpt.parameter_shapes(replace(SHAPE, attention="bidirectional"))
    with pytest.raises(BadInput, match="unknown act_fn"):
        gpt.parameter_shapes(replace(SHAPE, act_fn="swish"))
    with pytest.raises(BadInput, match="seed"):
        gpt.untrained_state_dict(SHAPE, seed=-1)
    with pytest.raises(BadInput, match="rates"):
        gpt.head_dropout(torch.ones(1, 2), 3, torch.Generator())
    with pytest.raises(BadInput, match="cannot be read"):
        gpt.read_state_dict(b"x", "x.safetensors", SHAPE)
