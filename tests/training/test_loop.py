"""The training loop: what it minimises, its rate and its clipping, and when it stops."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from replications.errors import ReplicationError
from replications.training.loop import descend, learn
from replications.training.transformer import forward, untrained_state_dict
from tests.training.test_transformer import SHAPE, tokens


def test_a_step_is_the_rate_times_the_clipped_gradient() -> None:
    x = torch.tensor([3.0, 4.0], requires_grad=True)
    losses = descend(
        lambda step: (x * x).sum(),  # the gradient is 2x, of norm 10
        torch.optim.SGD([x], lr=99.0),
        2,
        rate=lambda step: 0.5 / (step + 1),
        clip=([x], 5.0),
    )
    # 0.5 · 5 along x, then 0.25 · 5: the norm goes from 5 to 2.5 to 1.25.
    assert losses.tolist() == pytest.approx([25.0, 6.25])
    assert x.detach().norm().item() == pytest.approx(1.25)
    assert losses.dtype == torch.float64


def test_without_a_rate_and_a_clip_the_optimiser_decides() -> None:
    x = torch.tensor([1.0], requires_grad=True)
    losses = descend(lambda step: step * x.sum(), torch.optim.SGD([x], lr=0.1), 3)
    assert losses.tolist() == pytest.approx([0.0, 1.0, 1.8])


def test_only_matrices_decay() -> None:
    start = {
        "unembed.W_U": torch.ones(2, 2),
        "unembed.b_U": torch.ones(2),
        "ln_final.w": torch.ones(2),
    }
    learned, _ = learn(
        start,
        lambda w, step: 0 * torch.stack([value.sum() for value in w.values()]).sum(),
        3,
        learning_rate=0.1,
        weight_decay=0.5,
        warmup=1,
    )
    assert (learned["unembed.W_U"] < 1).all()
    assert (learned["unembed.b_U"] == 1).all()
    assert (learned["ln_final.w"] == 1).all()


def test_learning_lowers_the_loss_and_leaves_the_start_alone() -> None:
    start = untrained_state_dict(SHAPE, seed=1)
    before = {name: w.clone() for name, w in start.items()}
    given = tokens(20, 7)

    def loss(w: Mapping[str, Tensor], step: int) -> Tensor:
        logits = forward(w, given[:, :-1], SHAPE)
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), given[:, 1:].flatten())

    learned, losses = learn(start, loss, 60, learning_rate=1e-2, warmup=5)
    again, _ = learn(start, loss, 60, learning_rate=1e-2, warmup=5)
    assert losses[-1] < 0.7 * losses[0]
    assert all(torch.equal(before[name], w) for name, w in start.items())
    assert all(torch.equal(again[name], w) for name, w in learned.items())
    assert not any(w.requires_grad for w in learned.values())


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    start = untrained_state_dict(SHAPE)
    with pytest.raises(ReplicationError, match="not finite at step 0"):
        learn(start, lambda w, _: w["unembed.b_U"].sum() / 0 * 0, 3, learning_rate=1e-3)
