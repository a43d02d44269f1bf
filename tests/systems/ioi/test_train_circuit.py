"""Training on long texts: repeatability, what is left out, files and bad options."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from replications import cli
from replications.errors import BadInput
from replications.models.state_dicts import check_state_dict
from replications.systems.ioi import train_circuit
from replications.systems.ioi.data.running import running_text
from replications.systems.ioi.regimes import CIRCUIT
from replications.systems.ioi.train import Dropout
from replications.systems.ioi.train_circuit import SHAPE, Recipe

SMALL = ["--steps", "2", "--batch", "4", "--dropout-from", "1"]


def test_training_depends_on_its_seed_alone() -> None:
    recipe = Recipe(steps=2, batch=4, dropout_from=1)
    (one, losses), (two, again), (other, _) = (
        train_circuit.train(seed, recipe) for seed in (1, 1, 2)
    )
    assert losses.equal(again)
    assert all(one[name].equal(two[name]) for name in one)
    assert not one["embed.W_E"].equal(other["embed.W_E"])
    assert check_state_dict(one, SHAPE)


def test_heads_are_left_out_at_every_answer_and_nowhere_else() -> None:
    given = running_text(60, np.random.default_rng(0), 0.0)
    keep = Dropout(CIRCUIT, given, torch.Generator().manual_seed(0)).keep
    assert keep[:, given.row, given.answer_at].mean() == pytest.approx(0.75, abs=0.03)
    elsewhere = keep.clone()
    elsewhere[:, given.row, given.answer_at] = 1
    assert elsewhere.eq(1).all()
    assert keep.shape == (SHAPE.n_layers, 60, SHAPE.n_ctx, SHAPE.n_heads)


def test_the_command_writes_how_to_repeat_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("replications.systems.ioi.train.HELD_OUT_SIZE", 30)
    options = ["--seed", "3", "--out", str(tmp_path / "made"), *SMALL]
    assert cli.main(["train", "ioi/circuit", *options]) == 0
    assert "errors in 30 held-out prompts" in capsys.readouterr().out
    metadata = json.loads((tmp_path / "made.json").read_text())
    assert metadata["command"].startswith("python -m replications train ioi/circuit --seed 3")
    assert metadata["regime"]["layers"] == SHAPE.n_layers


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "-1"], "seed"),
        (["--seed", "0", "--steps", "0"], "steps"),
        (["--seed", "0", "--batch", "0"], "batch"),
        (["--seed", "0", "--learning-rate", "0"], "learning_rate"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: list[str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        train_circuit.main(options)


def test_an_unknown_recipe_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["train", "ioi/square"]) == 2
    assert "unknown system 'ioi/square'; there are: " in capsys.readouterr().err
