"""Training list-update models: the forward pass, the recipe, repeatability, the files written."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from torch import Tensor

from replications import fixtures
from replications.errors import BadInput, ReplicationError
from replications.systems.list_update import data, model, train
from replications.systems.list_update.data import Task
from replications.systems.list_update.train import Recipe
from replications.training import runs as training

SMALL = ["--steps", "12", "--batch", "16"]
FILES = {"weights": ".safetensors", "metadata": ".json", "curve": ".loss.csv"}


@pytest.fixture
def held_out_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "HELD_OUT_SIZE", 50)


def slow_logits(weights: dict[str, Tensor], row: list[int], layers: int) -> np.ndarray:
    """One prompt in float64, query by query: logits [pos d_vocab_out]."""
    w = {name: value.double().numpy() for name, value in weights.items()}
    x = w["embed.W_E"][row]
    positions = w["pos_embed.W_pos"][: len(row)]
    for layer in range(layers):
        q, k, v, o = (w[f"blocks.{layer}.attn.W_{name}"][0] for name in "QKVO")
        added = np.zeros_like(x)
        for i in range(len(row)):
            keys = (x[: i + 1] + positions[: i + 1]) @ k
            scores = keys @ ((x[i] + positions[i]) @ q) / math.sqrt(128)
            pattern = np.exp(scores - scores.max())
            added[i] = pattern / pattern.sum() @ (x[: i + 1] @ v) @ o
        x = x + added
    logits: np.ndarray = x @ w["unembed.W_U"]
    return logits


# ---------------------------------------------------------------------------------- the model
@pytest.mark.parametrize(("layers", "task"), [(1, Task()), (2, Task()), (3, Task(4, 60))])
def test_the_training_forward_equals_a_slow_one_and_the_lens(layers: int, task: Task) -> None:
    weights = {n: 2 * w for n, w in model.untrained_state_dict(4, layers, task).items()}
    tokens = data.generate_mixed(6, 0, task)
    fast = train.predictions(weights, tokens, layers, task)
    assert fast.shape == (6, task.length, task.numbers)
    where = list(task.prediction_positions)
    slow = np.stack([slow_logits(weights, row, layers)[where] for row in tokens.tolist()])
    np.testing.assert_allclose(fast.numpy(), slow, rtol=0, atol=1e-5)
    seen = model.open_model(weights, layers, task).run(tokens).logits[:, where]
    torch.testing.assert_close(fast, seen, rtol=0, atol=1e-5)
    swapped = weights | {"pos_embed.W_pos": weights["pos_embed.W_pos"].flip(0)}
    wrong = train.predictions(swapped, tokens, layers, task)
    assert (wrong - fast).abs().max() > 1e-3  # the comparison can fail


def test_the_loss_is_the_mean_over_answers_in_float64() -> None:
    tokens = data.generate_mixed(7, 0)
    flat = train.loss_of(torch.zeros(7, 3, 50), tokens)
    assert flat.dtype == torch.float64
    assert flat.item() == pytest.approx(math.log(50), rel=1e-12)
    logits = torch.randn(7, 3, 50, generator=torch.Generator().manual_seed(0))
    by_hand = [
        -math.log(math.exp(logits[i, j, tokens[i, 8 + j]]) / sum(map(math.exp, logits[i, j])))
        for i in range(7)
        for j in range(3)
    ]
    assert train.loss_of(logits, tokens).item() == pytest.approx(np.mean(by_hand), rel=1e-6)


# ------------------------------------------------------------------------------------- recipe
def test_the_recipe_is_the_documents() -> None:
    recipe = Recipe()
    assert (recipe.steps, recipe.batch, recipe.learning_rate) == (1000, 256, 1e-3)
    assert (recipe.weight_decay, recipe.beta1, recipe.beta2) == (1e-2, 0.9, 0.98)
    assert (recipe.layers, recipe.task) == (2, data.DOCUMENT)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"batch": -1},
        {"learning_rate": math.nan},
        {"weight_decay": -1e-4},
        {"beta2": 1.0},
        {"layers": 0},
        {"length": 0},
        {"numbers": 2},
    ],
)
def test_a_senseless_recipe_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=next(iter(wrong)).split("_")[0].removesuffix("ength")):
        Recipe(**wrong)  # type: ignore[arg-type]


def test_the_first_step_is_adamw_on_everything_but_biases() -> None:
    """Adam's first step is the rate times the gradient's sign; decay multiplies, apart from it."""
    recipe = Recipe(steps=1, batch=8)
    start = {n: w.requires_grad_() for n, w in model.untrained_state_dict(2).items()}
    tokens = data.generate(8, np.random.default_rng((2, 1)))
    train.loss_of(train.predictions(start, tokens, 2, data.DOCUMENT), tokens).backward()
    after, losses = train.train(2, recipe)
    assert losses[0].item() == pytest.approx(math.log(50), abs=0.05)
    for name, weight in start.items():
        if model.is_bias(name):
            assert not after[name].any()
            continue
        gradient = weight.grad
        assert gradient is not None
        expected = weight.detach() * (1 - 1e-5) - 1e-3 * gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(after[name], expected, rtol=0, atol=1e-6)


# ----------------------------------------------------------------------------------- training
def test_training_is_repeatable_bit_for_bit_and_depends_on_the_seed() -> None:
    recipe = Recipe(steps=10, batch=16)
    state = torch.get_rng_state()
    (a, losses), (b, again), (c, _) = (train.train(seed, recipe) for seed in (5, 5, 6))
    assert losses.equal(again)
    assert losses.dtype == torch.float64
    assert all(a[name].equal(b[name]) for name in a)
    assert not a["embed.W_E"].equal(c["embed.W_E"])
    assert list(model.check_state_dict(a)) == list(a)
    assert not any(w.requires_grad for w in a.values())
    assert torch.get_rng_state().equal(state)


def test_the_loss_falls() -> None:
    _, losses = train.train(0, Recipe(steps=60, batch=64))
    assert losses[-10:].mean() < 0.97 * losses[:5].mean()


def test_divergence_is_an_error() -> None:
    with pytest.raises(ReplicationError, match="seed 0: the loss is not finite at step"):
        train.train(0, Recipe(steps=6, batch=8, learning_rate=1e30))


def test_evaluation_counts_by_prediction_and_by_what_is_updated() -> None:
    weights = model.untrained_state_dict()
    tokens = data.generate_mixed(400, 3)
    found = train.evaluate(weights, tokens, 2)
    chosen = train.predictions(weights, tokens, 2, data.DOCUMENT).argmax(-1)
    right = (chosen == tokens[:, 8:]).numpy()
    updated = np.arange(3) == tokens[:, 5:6].numpy()
    assert (found["prompts"], found["answers"]) == (400, 1200)
    assert found["errors"] == (~right).sum()
    assert found["accuracy"] == pytest.approx(right.mean())
    assert found["accuracy_by_prediction"] == pytest.approx(right.mean(0).tolist())
    assert found["accuracy_updated"] == pytest.approx(right[updated].mean())
    assert found["accuracy_kept"] == pytest.approx(right[~updated].mean())


# --------------------------------------------------------------------------------------- main
@pytest.mark.usefixtures("held_out_is_small")
def test_a_run_writes_weights_metadata_and_every_loss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "seed3"
    assert train.main(["--seed", "3", *SMALL, "--out", str(out)]) == 0
    assert {p.name for p in tmp_path.iterdir()} == {f"seed3{ending}" for ending in FILES.values()}
    meta = json.loads((tmp_path / "seed3.json").read_text())
    assert meta["command"] == (
        "python -m replications train list_update --seed 3 --steps 12 --batch 16"
    )
    assert (meta["seed"], meta["recipe"]["weight_decay"]) == (3, 1e-2)
    assert (meta["held_out"]["seed"], meta["held_out"]["answers"]) == (10**6, 150)
    curve = (tmp_path / "seed3.loss.csv").read_text().splitlines()
    assert curve[0] == "step,loss"
    assert [line.split(",")[0] for line in curve[1:]] == [str(step) for step in range(12)]
    assert float(curve[1].split(",")[1]) == pytest.approx(math.log(50), abs=0.05)
    assert capsys.readouterr().out.count("\n") == 1
    content = (tmp_path / "seed3.safetensors").read_bytes()
    written = model.read_state_dict(content, "seed3")
    again, _ = train.train(3, Recipe(steps=12, batch=16))
    assert all(written[name].equal(again[name]) for name in again)
    with safetensors.safe_open(out.with_suffix(".safetensors"), "pt") as file:
        assert json.loads(file.metadata()["training"])["seed"] == 3


@pytest.mark.usefixtures("held_out_is_small")
def test_two_runs_write_the_same_bytes_and_force_is_needed_to_overwrite(tmp_path: Path) -> None:
    arguments = ["--seed", "0", *SMALL, "--layers", "1", "--out", str(tmp_path / "w")]
    train.main(arguments)
    first = {ending: (tmp_path / f"w{ending}").read_bytes() for ending in FILES.values()}
    with pytest.raises(BadInput, match="--force"):
        train.main(arguments)
    train.main([*arguments, "--force"])
    assert {e: (tmp_path / f"w{e}").read_bytes() for e in FILES.values()} == first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "-1"], "seed must be at least 0"),
        (["--seed", "0", "--threads", "0"], "threads must be at least 1"),
        (["--seed", "0", "--out", "no/w"], "folder no does not exist"),
        (["--seed", "0", "--length", "5", "--numbers", "4"], "4 numbers are too few"),
    ],
)
def test_bad_options_are_named_before_any_work(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=message):
        train.main(options)
    assert not list(tmp_path.iterdir())


def test_files_are_named_after_the_run() -> None:
    assert train.name_of(4, Recipe()) == "seed4"
    assert train.name_of(1, Recipe(layers=1, steps=5)) == "one-layer-seed1"
    assert train.name_of(0, Recipe(length=4, numbers=100)) == "length4-numbers100-seed0"
    assert train.name_of(0, Recipe(layers=3, length=4)) == "length4-numbers50-3-layers-seed0"


# ----------------------------------------------------------------------------- what is shipped
FOLDER = Path(__file__).parents[3] / "fixtures" / "list_update"
SHIPPED = sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def test_every_shipped_run_is_in_the_manifest() -> None:
    listed = {name for name in fixtures.manifest() if name.startswith("list_update/")}
    assert {f"list_update/{stem}.safetensors" for stem in SHIPPED} <= listed
    assert {f"seed{seed}" for seed in range(5)} <= set(SHIPPED)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("stem", SHIPPED)
def test_shipped_weights_are_what_their_metadata_says(stem: str) -> None:
    meta = json.loads((FOLDER / f"{stem}.json").read_text())
    recipe = Recipe(**meta["recipe"])
    assert stem == train.name_of(meta["seed"], recipe)
    assert meta["command"] == training.command("list_update", meta["seed"], recipe, 1)
    content = (FOLDER / f"{stem}.safetensors").read_bytes()
    weights = model.read_state_dict(content, stem, recipe.layers, recipe.task)
    assert training.weight_norms(weights) == pytest.approx(meta["weight_norms"], abs=1e-3)
    tokens = data.generate_mixed(train.HELD_OUT_SIZE, train.HELD_OUT_SEED, recipe.task)[:2000]
    found = train.evaluate(weights, tokens, recipe.layers, recipe.task)
    assert found["accuracy"] == pytest.approx(meta["held_out"]["accuracy"], abs=0.02)
    curve = (FOLDER / f"{stem}.loss.csv").read_text().splitlines()
    assert len(curve) == recipe.steps + 1


def test_the_first_steps_of_seed_0_repeat_the_shipped_curve() -> None:
    curve = (FOLDER / "seed0.loss.csv").read_text().splitlines()[1:]
    shipped = [float(line.split(",")[1]) for line in curve]
    _, losses = train.train(0, Recipe(steps=20))
    # The rate is constant, so the number of steps does not matter to the first ones.
    np.testing.assert_allclose(losses.numpy(), shipped[:20], rtol=1e-4)
