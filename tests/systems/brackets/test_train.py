from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

from replications.errors import BadInput, ReplicationError
from replications.systems.brackets import data, train
from replications.systems.brackets.classifier import Classifier
from replications.systems.brackets.train import Recipe, export_state_dict, load_state_dict_into

SMALL = ["--steps", "20", "--batch", "16", "--warmup", "5", "--max-cycles", "0"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small matrices: two threads only wait for each other, far longer when cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def model() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Classifier()
        for parameter in model.parameters():  # biases and LayerNorms must matter
            parameter.data += 0.2 * torch.randn(parameter.shape)
    return model.eval()


@pytest.fixture
def tokens() -> torch.Tensor:
    mixed = ["()", "(((", ")", "", "()" * 20, "(" * 40, "(())()", ")(" * 5 + "("]
    return data.tokenize(mixed)


@pytest.fixture
def held_out_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "HELD_OUT_SIZE", 300)


def slow_logits(sd: dict[str, np.ndarray], row: list[int]) -> np.ndarray:
    """One padded row in float64, head by head, with an explicit mask on pads: logits [2]."""

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        found: np.ndarray = centred / scale * sd[name + ".w"] + sd[name + ".b"]
        return found

    pads = np.array(row) == data.PAD
    x = sd["embed.W_E"][row] + sd["pos_embed.W_pos"][: len(row)]
    for layer in range(3):
        p = f"blocks.{layer}."
        normed = norm(x, p + "ln1")
        added = sd[p + "attn.b_O"].copy() + np.zeros_like(x)
        for h in range(2):
            q, k, v = (normed @ sd[f"{p}attn.W_{n}"][h] + sd[f"{p}attn.b_{n}"][h] for n in "QKV")
            scores = np.where(pads, -np.inf, q @ k.T / math.sqrt(28))
            pattern = np.exp(scores - scores.max(-1, keepdims=True))
            pattern /= pattern.sum(-1, keepdims=True)
            added += pattern @ v @ sd[p + "attn.W_O"][h]
        x = x + added
        hidden = norm(x, p + "ln2") @ sd[p + "mlp.W_in"] + sd[p + "mlp.b_in"]
        x = x + np.maximum(hidden, 0) @ sd[p + "mlp.W_out"] + sd[p + "mlp.b_out"]
    logits: np.ndarray = norm(x, "ln_final")[0] @ sd["unembed.W_U"] + sd["unembed.b_U"]
    return logits


# -------------------------------------------------------------------------------------- model
@torch.no_grad()
def test_the_fast_forward_equals_a_slow_masked_one(model: Classifier, tokens: torch.Tensor) -> None:
    sd = {name: t.double().numpy() for name, t in export_state_dict(model).items()}
    slow = np.stack([slow_logits(sd, row) for row in tokens.tolist()])
    np.testing.assert_allclose(model(tokens).numpy(), slow, rtol=0, atol=2e-5)
    swapped = dict(sd) | {"blocks.1.attn.W_V": sd["blocks.1.attn.W_V"][::-1]}
    other = np.stack([slow_logits(swapped, row) for row in tokens.tolist()])
    assert np.abs(other - slow).max() > 1e-2  # the comparison can fail


@torch.no_grad()
def test_pads_and_neighbours_do_not_change_a_verdict(model: Classifier) -> None:
    strings = ["(())", "()", ")(("]
    together = model(data.tokenize(strings, length=data.CONTEXT))
    alone = torch.cat([model(data.tokenize(string)) for string in strings])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


# ------------------------------------------------------------------------------------- layout
def test_export_has_the_published_shapes(model: Classifier) -> None:
    sd = export_state_dict(model)
    shapes = {name: tuple(t.shape) for name, t in sd.items()}
    assert len(sd) == 2 + 3 * 16 + 4
    assert shapes["embed.W_E"] == (5, 56)
    assert shapes["pos_embed.W_pos"] == (42, 56)
    assert shapes["blocks.2.attn.W_Q"] == (2, 56, 28)
    assert shapes["blocks.2.attn.b_V"] == (2, 28)
    assert shapes["blocks.0.attn.W_O"] == (2, 28, 56)
    assert shapes["unembed.W_U"] == (56, 2)
    assert all(t.is_contiguous() and not t.requires_grad for t in sd.values())


def test_an_exported_model_is_a_copy(model: Classifier) -> None:
    sd = export_state_dict(model)
    sd["embed.W_E"].zero_()
    assert model.embed.weight.abs().sum() > 0


@torch.no_grad()
def test_import_undoes_export(model: Classifier, tokens: torch.Tensor) -> None:
    sd = export_state_dict(model)
    other = Classifier().eval()
    masks = {"blocks.0.attn.mask": torch.ones(42, 42), "blocks.0.attn.IGNORE": torch.tensor(0.0)}
    load_state_dict_into(other, sd | masks)
    again = export_state_dict(other)
    assert sd.keys() == again.keys()
    assert all(sd[name].equal(again[name]) for name in sd)
    assert model(tokens).equal(other(tokens))


def test_a_wrong_state_dict_is_named_and_changes_nothing(model: Classifier) -> None:
    sd = export_state_dict(model)
    other = Classifier()
    before = export_state_dict(other)
    lacking = {name: t for name, t in sd.items() if name != "unembed.b_U"}
    for wrong, message in (
        (lacking, "unembed.b_U is missing"),
        (sd | {"blocks.3.ln1.w": torch.ones(56)}, "blocks.3.ln1.w is not a parameter"),
        (sd | {"unembed.W_U": torch.ones(2, 56)}, r"unembed.W_U has shape \(2, 56\)"),
    ):
        with pytest.raises(BadInput, match=message):
            load_state_dict_into(other, wrong)
    after = export_state_dict(other)
    assert all(before[name].equal(after[name]) for name in before)


# ------------------------------------------------------------------------------------- recipe
def test_the_rate_warms_up_and_decays() -> None:
    recipe = Recipe(steps=1000, learning_rate=1.0, warmup=100)
    assert recipe.rate(0, 1000) == pytest.approx(0.01, rel=1e-3)
    assert recipe.rate(500, 1000) == pytest.approx(0.5)
    assert recipe.rate(999, 1000) < 1e-4
    linear = Recipe(learning_rate=1.0, schedule="linear")
    assert linear.rate(750, 1000) == pytest.approx(0.25)
    assert Recipe(learning_rate=1.0, schedule="constant", warmup=0).rate(0, 9) == 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"batch": -1},
        {"learning_rate": math.nan},
        {"weight_decay": -1e-4},
        {"beta2": 1.0},
        {"schedule": "step"},
    ],
)
def test_a_senseless_recipe_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=next(iter(wrong))):
        Recipe(**wrong)


# ----------------------------------------------------------------------------------- training
def test_training_is_repeatable_bit_for_bit_and_depends_on_the_seed() -> None:
    recipe = Recipe(steps=20, batch=32, max_cycles=0)
    (a, losses), (b, again), (c, _) = (train.train(seed, recipe) for seed in (5, 5, 6))
    a_sd, b_sd, c_sd = (export_state_dict(m) for m in (a, b, c))
    assert losses.equal(again)
    assert all(a_sd[name].equal(b_sd[name]) for name in a_sd)
    assert not a_sd["embed.W_E"].equal(c_sd["embed.W_E"])


def test_training_leaves_the_global_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    train.train(0, Recipe(steps=1, batch=4, max_cycles=0))
    assert torch.random.get_rng_state().equal(before)


@pytest.mark.slow
def test_the_loss_falls_in_sixty_steps() -> None:
    model, losses = train.train(
        0, Recipe(steps=60, batch=64, warmup=10, schedule="constant", max_cycles=0)
    )
    assert losses[-10:].mean() < 0.8 * losses[:5].mean()
    assert not model.embed.weight[data.PAD].any()  # the pad embedding stays exactly zero


def test_weight_decay_acts_through_the_gradient() -> None:
    """Adam with L2 differs from decoupled decay: without a loss gradient it moves by the rate."""
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = torch.optim.Adam([weight], lr=0.1, weight_decay=1e-3, fused=True)
    weight.grad = torch.zeros(1)
    optimizer.step()
    assert weight.item() == pytest.approx(1.9, abs=1e-3)


def test_divergence_is_an_error() -> None:
    with pytest.raises(ReplicationError, match="seed 0: the loss is not finite at step"):
        train.train(0, Recipe(steps=15, batch=8, learning_rate=1e38, warmup=0, max_cycles=0))


# --------------------------------------------------------------------------------- evaluation
def test_evaluation_counts_errors_by_class() -> None:
    model = Classifier().eval()
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.copy_(torch.tensor([0.0, 1.0]))  # calls everything balanced
    d = data.BracketData.from_strings(["()", "(()", "())", ")(", "(())"])
    result = train.evaluate(model, d)
    assert result["errors"] == 3
    assert result["accuracy"] == pytest.approx(0.4)
    assert result["errors_by_class"] == {
        "balanced": 0, "both": 1, "only_total": 1, "only_negative": 1,
    }  # fmt: skip


# --------------------------------------------------------------------------------------- main
@pytest.mark.usefixtures("held_out_is_small")
def test_a_run_writes_weights_metadata_and_curve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "retrained-seed3"
    assert train.main(["--seed", "3", *SMALL, "--out", str(out)]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "retrained-seed3.json",
        "retrained-seed3.loss.csv",
        "retrained-seed3.safetensors",
    ]
    meta = json.loads((tmp_path / "retrained-seed3.json").read_text())
    assert meta["seed"] == 3
    assert meta["recipe"]["steps"] == 20
    assert meta["recipe"]["weight_decay"] == Recipe().weight_decay
    assert meta["command"] == (
        "python -m replications train brackets --seed 3 --steps 20 --batch 16 --warmup 5 "
        "--max-cycles 0"
    )
    assert meta["held_out"]["seed"] == 10**6
    assert sum(meta["held_out"]["errors_by_class"].values()) == meta["held_out"]["errors"]
    assert meta["weight_norms"]["blocks.0.attn.W_V"] > 0
    curve = (tmp_path / "retrained-seed3.loss.csv").read_text().splitlines()
    assert curve[0] == "step,mean_loss"
    assert curve[1].startswith("20,")
    assert capsys.readouterr().out.count("\n") == 1

    with safetensors.safe_open(out.with_suffix(".safetensors"), "pt") as file:
        assert json.loads(file.metadata()["training"])["seed"] == 3
    load_state_dict_into(Classifier(), safetensors.torch.load_file(f"{out}.safetensors"))


@pytest.mark.usefixtures("held_out_is_small")
def test_two_runs_write_the_same_bytes_and_force_is_needed_to_overwrite(tmp_path: Path) -> None:
    arguments = ["--seed", "0", *SMALL, "--out", str(tmp_path / "w.safetensors")]
    train.main(arguments)
    first = (tmp_path / "w.safetensors").read_bytes()
    with pytest.raises(BadInput, match="--force"):
        train.main(arguments)
    train.main([*arguments, "--force"])
    assert (tmp_path / "w.safetensors").read_bytes() == first


def test_a_missing_folder_is_named_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        train.main(["--seed", "0", "--out", str(tmp_path / "no" / "w")])


def test_a_negative_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="seed must be at least 0"):
        train.main(["--seed", "-1", "--out", str(tmp_path / "w")])
    assert not list(tmp_path.iterdir())


def test_cycles_are_added_until_the_target_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "VALIDATION_SIZE", 50)
    monkeypatch.setattr(train, "errors", lambda model, data: next(left))
    recipe = Recipe(steps=4, cycle_steps=3, batch=4, target=0.9, max_cycles=3)
    left: Iterator[int] = iter([20, 20, 5])
    assert len(train.train(0, recipe)[1]) == 4 + 2 * 3
    left = iter([50] * 4)
    assert len(train.train(0, recipe)[1]) == 4 + 3 * 3
    left = iter([0])
    assert len(train.train(0, recipe)[1]) == 4


def test_each_cycle_draws_strings_of_its_own() -> None:
    first, second = (next(train._batches(0, cycle, Recipe()))[0] for cycle in (0, 1))
    assert not torch.equal(first, second)
