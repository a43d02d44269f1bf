"""Training name-recall toys: the loss, the recipe, repeatability, the files written and shipped."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from replications import fixtures
from replications.errors import BadInput
from replications.systems.name_recall import data as texts
from replications.systems.name_recall import model, train
from replications.systems.name_recall.train import Recipe
from replications.training import runs as training
from replications.training import transformer as gpt

SMALL = ["--steps", "3", "--batch", "4"]
ENDINGS = (".safetensors", ".json", ".loss.csv")
FOLDER = Path(__file__).parents[3] / "fixtures" / "name_recall"
SHIPPED = sorted(path.stem for path in FOLDER.glob("*.safetensors"))


@pytest.fixture
def held_out_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "HELD_OUT_SIZE", 20)


# ------------------------------------------------------------------------------------- training
def test_training_is_repeatable_and_depends_on_the_seed() -> None:
    recipe = Recipe(steps=3, batch=4)
    state = torch.get_rng_state()
    (a, losses), (b, again), (c, _) = (train.train(seed, recipe) for seed in (5, 5, 6))
    assert losses.equal(again)
    assert all(a[name].equal(b[name]) for name in a)
    assert not a["embed.W_E"].equal(c["embed.W_E"])
    assert torch.get_rng_state().equal(state)


def test_the_first_loss_counts_every_token_of_the_first_batch() -> None:
    _, losses = train.train(2, Recipe(steps=1, batch=4))
    tokens = texts.generate(4, np.random.default_rng((2, 1)), 0.5)
    logits = gpt.forward(model.untrained_state_dict(2), tokens[:, :-1], model.shape())
    rows = logits.double().log_softmax(-1).gather(-1, tokens[:, 1:, None])
    assert losses[0].item() == pytest.approx(-rows.mean().item(), rel=1e-5)
    assert losses[0].item() == pytest.approx(math.log(127), abs=0.6)


def test_recall_is_counted_where_a_last_name_comes_again() -> None:
    weights = model.untrained_state_dict(0)
    tokens = texts.generate(30, np.random.default_rng(1))
    found = train.evaluate(weights, tokens, 2)
    best = gpt.forward(weights, tokens[:, :-1], model.shape()).argmax(-1)
    again = texts.last_name_again(tokens)
    right = [best[i, j] == tokens[i, j + 1] for i in range(30) for j in range(31) if again[i, j]]
    assert found["last_names_again"] == len(right) > 30
    assert found["accuracy"] == pytest.approx(sum(right) / len(right))
    assert found["loss"] == pytest.approx(math.log(127), abs=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"batch": -1},
        {"learning_rate": math.nan},
        {"weight_decay": -1e-4},
        {"repeats": 1.5},
        {"layers": 0},
    ],
)
def test_a_senseless_recipe_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=next(iter(wrong))):
        Recipe(**wrong)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------- files
@pytest.mark.usefixtures("held_out_is_small")
def test_a_run_writes_the_same_three_files_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--seed", "3", *SMALL, "--layers", "1", "--out", str(tmp_path / "w")]
    assert train.main(arguments) == 0
    first = {ending: (tmp_path / f"w{ending}").read_bytes() for ending in ENDINGS}
    assert "held-out last names recalled" in capsys.readouterr().out
    meta = json.loads(first[".json"])
    assert meta["command"] == (
        "python -m replications train name_recall --seed 3 --steps 3 --batch 4 --layers 1"
    )
    assert meta["held_out"]["texts"] == 20
    assert first[".loss.csv"].decode().splitlines()[0] == "step,loss"
    model.read_state_dict(first[".safetensors"], "w", 1)
    with pytest.raises(BadInput, match="--force"):
        train.main(arguments)
    train.main([*arguments, "--force"])
    assert {e: (tmp_path / f"w{e}").read_bytes() for e in ENDINGS} == first


def test_a_negative_seed_is_named_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="seed must be at least 0"):
        train.main(["--seed", "-1", "--out", str(tmp_path / "w")])


def test_files_are_named_after_the_run() -> None:
    assert train.name_of(4, Recipe()) == "seed4"
    assert train.name_of(1, Recipe(layers=1)) == "one-layer-seed1"
    assert train.name_of(0, Recipe(layers=3)) == "3-layers-seed0"


# ------------------------------------------------------------------------------ what is shipped
def test_every_shipped_run_is_in_the_manifest() -> None:
    listed = {name for name in fixtures.manifest() if name.startswith("name_recall/")}
    assert {f"name_recall/{stem}.safetensors" for stem in SHIPPED} == listed
    assert {*(f"seed{seed}" for seed in range(3)), "one-layer-seed0"} == set(SHIPPED)


@pytest.mark.parametrize("stem", SHIPPED)
def test_shipped_weights_are_what_their_metadata_says(stem: str) -> None:
    meta = json.loads((FOLDER / f"{stem}.json").read_text())
    recipe = Recipe(**meta["recipe"])
    assert stem == train.name_of(meta["seed"], recipe)
    assert meta["command"] == training.command("name_recall", meta["seed"], recipe, 1)
    content = (FOLDER / f"{stem}.safetensors").read_bytes()
    assert len(content) < 2_000_000
    weights = model.read_state_dict(content, stem, recipe.layers)
    assert training.weight_norms(weights) == pytest.approx(meta["weight_norms"], abs=1e-3)
    tokens = texts.generate(300, np.random.default_rng(train.HELD_OUT_SEED))
    found = train.evaluate(weights, tokens, recipe.layers)
    assert found["accuracy"] == pytest.approx(meta["held_out"]["accuracy"], abs=0.02)
    curve = (FOLDER / f"{stem}.loss.csv").read_text().splitlines()
    assert len(curve) == recipe.steps + 1
