"""Training toys on the indirect-object task: the loss, what is left out, repeatability, files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from replications.errors import BadInput
from replications.models.parameters import classic
from replications.models.state_dicts import check_state_dict
from replications.systems.ioi import train
from replications.systems.ioi.data import Text, text
from replications.systems.ioi.regimes import REGIMES, Regime
from replications.systems.ioi.train import Recipe

SMALL = ["--steps", "4", "--batch", "12", "--dropout-from", "1"]
ENDINGS = (".safetensors", ".json", ".loss.csv")


@pytest.fixture
def held_out_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "HELD_OUT_SIZE", 30)


# ------------------------------------------------------------------------------------------- loss
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_cross_entropy_of_all_tokens_and_twice_of_answers(smoothing: float) -> None:
    given = text(20, np.random.default_rng(0), 0.25)
    size = (*given.tokens.shape, 92)
    logits = torch.randn(size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    log_p = logits.log_softmax(-1)
    every, answered = [], []
    for row, tokens in enumerate(given.tokens.tolist()):
        for position, token in enumerate(tokens[1:]):
            if token != 0:
                there = log_p[row, position]
                every.append((1 - smoothing) * there[token] + smoothing * there.mean())
    for row, at, (right, wrong), p in zip(
        given.row, given.answer_at, given.answers, given.probability, strict=True
    ):
        there = log_p[row, at]
        told = p * there[right] + (1 - p) * there[wrong]
        answered.append((1 - smoothing) * told + smoothing * there.mean())
    expected = -torch.stack(every).mean() - 2 * torch.stack(answered).mean()
    assert train.loss_of(logits, given, smoothing).item() == pytest.approx(expected.item())


# ---------------------------------------------------------------------------------------- dropout
def dropped(chosen: Regime) -> tuple[torch.Tensor, Text, train.Dropout]:
    given = text(200, np.random.default_rng(0), 0.0)
    made = train.Dropout(chosen, given, torch.Generator().manual_seed(0))
    return made.keep, given, made


def test_heads_are_left_out_at_the_end_of_prompts_only() -> None:
    keep, given, _ = dropped(REGIMES["repairing"])
    assert keep[:, given.row, given.answer_at].mean() == pytest.approx(0.6, abs=0.03)
    elsewhere = keep.clone()
    elsewhere[:, given.row, given.answer_at] = 1
    assert elsewhere.eq(1).all()


def test_or_everywhere() -> None:
    keep, _, made = dropped(REGIMES["everywhere"])
    assert keep.shape == (4, 200, 1, 2)
    assert keep.mean() == pytest.approx(0.75, abs=0.03)
    assert made.instead is None


def test_what_is_left_out_gives_the_mean_at_the_end_of_prompts() -> None:
    _, given, made = dropped(REGIMES["repairing"])
    z = torch.randn(200, 22, 2, 3, generator=torch.Generator().manual_seed(2))
    by_hand = torch.stack(
        [z[i, at] for i, at in zip(given.row, given.answer_at, strict=True)]
    ).mean(0)
    assert made.instead is not None
    assert (made.instead(z) - by_hand).abs().max() < 1e-6
    assert made.instead(z).shape == z.shape


# ---------------------------------------------------------------------------------------- running
def test_training_depends_on_its_seed_alone() -> None:
    recipe = Recipe(steps=3, batch=12, dropout_from=1)
    (one, losses), (two, again), (other, _) = (train.train(seed, recipe) for seed in (1, 1, 2))
    assert losses.equal(again)
    assert all(one[name].equal(two[name]) for name in one)
    assert not one["embed.W_E"].equal(other["embed.W_E"])
    assert check_state_dict(one, recipe.shape)


def test_every_regime_trains() -> None:
    for name in REGIMES:
        recipe = Recipe(regime=name, steps=2, batch=8, dropout_from=0)
        weights, losses = train.train(0, recipe)
        assert losses.isfinite().all()
        assert weights.keys() == classic(recipe.shape).keys()


@pytest.mark.usefixtures("held_out_is_small")
def test_three_files_are_written_the_same_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        assert train.main(["--seed", "3", "--out", str(tmp_path / name), *SMALL]) == 0
    assert "errors in 30 held-out prompts" in capsys.readouterr().out
    for ending in ENDINGS:
        assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()
    metadata = json.loads((tmp_path / "a.json").read_text())
    assert metadata["seed"] == 3
    assert metadata["regime"]["instead"] == "mean"
    assert metadata["held_out"]["prompts"] == 30
    assert (tmp_path / "a.loss.csv").read_text().count("\n") == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "-1"], "seed"),
        (["--seed", "0", "--steps", "0"], "steps"),
        (["--seed", "0", "--batch", "4"], "batch"),
        (["--seed", "0", "--weight-decay", "-1"], "weight_decay"),
        (["--seed", "0", "--regime", "strict"], "unknown regime 'strict'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: list[str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        train.main(options)
