"""The shared recipe on a few steps: Adam, batches, what is kept, and the files written."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from replications.commands.train import recipe_module
from replications.errors import BadInput
from replications.models import read_state_dict
from replications.systems.algorithmic import train, train_palindrome, train_unique
from replications.systems.algorithmic.data import cumsum, palindrome, unique
from replications.systems.algorithmic.model import CUMSUM, MODELS, PALINDROME, UNIQUE
from replications.systems.algorithmic.subjects import KINDS
from replications.systems.algorithmic.train import Recipe
from replications.training import forward

SMALL = Recipe(rows=64, validation_rows=40, epochs=3, batch=24)


def test_the_recipes_are_the_published_ones() -> None:
    first, second = train_palindrome.Recipe(), train_unique.Recipe()
    assert (first.rows, first.epochs, first.batch, first.steps_per_epoch) == (100_000, 15, 512, 196)
    assert (second.rows, second.epochs, second.validation_rows) == (100_000, 50, 5_000)
    assert {first.learning_rate, first.final_rate, second.final_rate} == {1e-3}
    assert first.weight_decay == second.weight_decay == 0


@pytest.mark.parametrize(
    ("problem", "rows", "epochs", "rates", "decay"),
    [
        ("sum", 100_000, 100, (2e-3, 1e-4), 1e-3),
        ("sorted", 150_000, 25, (1e-3, 1e-4), 5e-3),
        ("cumsum", 150_000, 20, (1e-3, 1e-4), 1e-2),
    ],
)
def test_later_recipes_have_a_falling_rate_and_decay(
    problem: str, rows: int, epochs: int, rates: tuple[float, float], decay: float
) -> None:
    recipe = recipe_module(f"algorithmic/{problem}").Recipe()
    assert (recipe.rows, recipe.epochs, recipe.batch) == (rows, epochs, 512)
    last = recipe.epochs * recipe.steps_per_epoch - 1
    assert (recipe.rate(0), recipe.rate(last)) == pytest.approx(rates)
    assert recipe.weight_decay == decay


def test_of_equal_accuracies_the_lowest_loss_is_kept() -> None:
    recipe = Recipe(rows=48, validation_rows=4, epochs=6, batch=24, learning_rate=1e-4)
    first, lowest = (
        train.train(CUMSUM, cumsum.generate, 5, recipe, keep_best=True, by_loss=by_loss)
        for by_loss in (False, True)
    )
    best = max(first.accuracies)
    assert first.accuracies == lowest.accuracies
    assert first.kept == first.accuracies.index(best)
    held_out = cumsum.generate(4, 6)
    losses = [train.score(run.weights, held_out, CUMSUM.shape)[1] for run in (first, lowest)]
    assert losses[1] <= losses[0]
    assert first.accuracies[lowest.kept] == best


def test_the_rate_falls_by_epoch() -> None:
    recipe = Recipe(rows=20, batch=10, epochs=3, learning_rate=3e-3, final_rate=1e-3)
    rates = [recipe.rate(step) for step in range(6)]
    assert rates == pytest.approx([3e-3, 3e-3, 2e-3, 2e-3, 1e-3, 1e-3])


@pytest.mark.parametrize("wrong", [{"rows": 0}, {"epochs": -1}, {"learning_rate": math.nan}])
def test_a_senseless_recipe_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=next(iter(wrong))):
        Recipe(**wrong)  # type: ignore[arg-type]


def test_the_first_step_is_adam_with_decay_in_the_gradient() -> None:
    recipe = Recipe(rows=16, validation_rows=2, epochs=1, batch=16, weight_decay=0.5)
    start = {n: w.requires_grad_() for n, w in PALINDROME.untrained(3).items()}
    examples = palindrome.generate(16, 3)
    logits = forward(start, examples.tokens, PALINDROME.shape)[:, [21]]
    train.loss_of(logits, examples.labels).backward()
    found = train.train(PALINDROME, palindrome.generate, 3, recipe, keep_best=False)
    assert found.losses[0].item() == pytest.approx(math.log(2), abs=0.2)
    for name, weight in start.items():
        assert weight.grad is not None
        gradient = weight.grad + 0.5 * weight.detach()
        expected = weight.detach() - 1e-3 * gradient.sign()
        clear = gradient.abs() > 1e-5  # where the first step is the sign alone
        torch.testing.assert_close(found.weights[name][clear], expected[clear], rtol=0, atol=2e-6)


def test_training_is_repeatable_and_keeps_the_last_epoch_or_the_best() -> None:
    one, two = (
        train.train(UNIQUE, unique.generate, 5, SMALL, keep_best=best) for best in (True, False)
    )
    assert one.losses.equal(two.losses)
    assert len(one.losses) == 9
    assert len(one.accuracies) == 3
    assert (two.kept, two.accuracies) == (2, one.accuracies[-1:])
    assert one.kept == one.accuracies.index(max(one.accuracies))
    held_out = unique.generate(40, 6)
    kept, loss = train.score(one.weights, held_out, UNIQUE.shape)
    assert 0 < loss < 3
    assert kept == pytest.approx(max(one.accuracies))
    assert not any(w.requires_grad for w in one.weights.values())


def test_every_row_comes_once_an_epoch() -> None:
    batches = train._batches(SMALL, 0)
    first = [next(batches) for _ in range(3)]
    assert [len(rows) for rows in first] == [24, 24, 16]
    assert torch.cat(first).sort().values.equal(torch.arange(64))
    second = torch.cat([next(batches) for _ in range(3)])
    assert not second.equal(torch.cat(first))


@pytest.mark.slow
def test_the_loss_falls() -> None:
    recipe = Recipe(rows=512, validation_rows=2, epochs=20, batch=128, learning_rate=3e-3)
    losses = train.train(UNIQUE, unique.generate, 0, recipe, keep_best=False).losses
    assert losses[-4:].mean() < 0.8 * losses[:4].mean()


@pytest.mark.parametrize("problem", [*MODELS, "sum-one-layer"])
def test_the_command_writes_weights_that_open(
    problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--rows", "32", "--validation-rows", "10", "--epochs", "2", "--batch", "16"]
    module = recipe_module(f"algorithmic/{problem}")
    assert module.main(["--seed", "7", *options, "--out", str(tmp_path / "mine")]) == 0
    assert capsys.readouterr().out.startswith("seed 7: ")
    model = KINDS[problem].model
    content = (tmp_path / "mine.safetensors").read_bytes()
    assert read_state_dict(content, "mine.safetensors", model.shape)
    described = json.loads((tmp_path / "mine.json").read_text())
    assert described["held_out"]["seed"] == 8
    assert described["command"].startswith(
        f"python -m replications train algorithmic/{problem} --seed 7 --rows 32"
    )
    assert len((tmp_path / "mine.loss.csv").read_text().splitlines()) == 1 + 4


def test_the_system_alone_names_its_recipes() -> None:
    with pytest.raises(BadInput, match=r"train one: algorithmic/palindrome, .*/cumsum$"):
        recipe_module("algorithmic").main([])
