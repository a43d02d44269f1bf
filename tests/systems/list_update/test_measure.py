"""Other measurements, on random weights, against plain torch; each check can fail."""

from __future__ import annotations

import pytest
import torch

from replications.systems import list_update
from replications.systems.list_update import ListUpdateSubject, model
from replications.systems.list_update.data import Format, encode, generate_mixed
from replications.systems.list_update.measurements.attention import Attention
from replications.systems.list_update.measurements.behaviour import FRESH_SEED, Behaviour
from replications.systems.list_update.measurements.techniques import Techniques
from replications.systems.list_update.roles import PUBLISHED, Roles, find_roles
from replications.systems.list_update.task import Task
from tests.systems.list_update.random_model import (
    COPYING,
    PREVIOUS,
    close,
    plain,
    random_weights,
)


# ---------------------------------------------------------------------------------- the run
def test_the_run_is_that_of_plain_torch(subject: ListUpdateSubject) -> None:
    logits, patterns, _ = plain(random_weights(), subject.tokens)
    assert close(subject.task.logits, logits[:, 7:10])
    assert close(subject.task.pattern(PREVIOUS), patterns[0])
    assert close(subject.task.pattern(COPYING), patterns[1])
    assert close(subject.task.pattern(PREVIOUS, COPYING), patterns[1] @ patterns[0])
    assert not close(subject.task.pattern(COPYING, PREVIOUS), patterns[1] @ patterns[0])
    right = logits[:, 7:10].argmax(-1) == subject.tokens[:, 8:]
    assert subject.behaviour.accuracy == pytest.approx(right.double().mean().item())
    loss = torch.nn.functional.cross_entropy(
        logits[:, 7:10].flatten(0, 1), subject.task.answers.flatten()
    )
    assert subject.behaviour.loss == pytest.approx(loss.item())


# ---------------------------------------------------------------------------------- roles, variants
def test_the_first_head_is_previous_and_the_last_one_copies(subject: ListUpdateSubject) -> None:
    assert find_roles(subject.task) == subject.roles == PUBLISHED
    one = ListUpdateSubject("one", model.open_model(model.untrained_state_dict(0, 1), 1))
    assert one.roles == Roles(previous=PREVIOUS, copying=PREVIOUS)
    three = ListUpdateSubject("three", model.open_model(model.untrained_state_dict(0, 3), 3))
    assert three.roles == Roles(previous=PREVIOUS, copying=(2, 0))


def test_a_model_of_one_layer_has_the_direct_path_alone() -> None:
    weights = {name: w.double() for name, w in model.untrained_state_dict(0, 1).items()}
    lens = model.open_model(weights, 1, dtype="float64")
    one = ListUpdateSubject("one", lens, tokens=generate_mixed(30, 5))
    assert not one.paths.terms["two_heads"].any()
    assert close(one.paths.terms["direct"].mean(0), one.attribution.heads[PREVIOUS])


def test_a_variant_keeps_prompts_seed_and_curve() -> None:
    format = Format(4, 20)
    lens = model.open_model(model.untrained_state_dict(7, 2, format), 2, format)
    tokens = generate_mixed(12, 5, format)
    whole = ListUpdateSubject(
        "own", lens, format, roles=PUBLISHED, seed=7, curve=lambda: [3.0, 1.0], tokens=tokens
    )
    other = whole.variant("same", lens)
    assert (other.name, other.seed, other.loss_curve) == ("own~same", 7, [3.0, 1.0])
    assert other.tokens is tokens
    assert other.roles is PUBLISHED
    assert other.task.format == format
    assert whole.untrained.lens.weights.W_E.equal(lens.weights.W_E)
    assert whole.behaviour.losses(step=-1)["in_training"] == 1.0


def test_architectures_that_differ_are_told_apart() -> None:
    lens = model.open_model(model.untrained_state_dict(2))
    whole = ListUpdateSubject("own", lens, seed=2, tokens=generate_mixed(12, 5))
    found = whole.architecture.describe()
    assert (found["parameters"], found["frozen"]) == (20, sorted(lens.state_dict))
    assert (found["largest_bias"], found["positions_in_the_stream"]) == (0, 0)
    placed = whole.standard_positions.architecture.describe()["positions_in_the_stream"]
    assert placed == pytest.approx(lens.weights.W_pos.abs().max().item(), rel=1e-3)
    biased = whole.one_bias_trained.architecture.describe()
    assert biased["frozen"] == sorted({*lens.state_dict} - {"unembed.b_U"})
    assert biased["largest_bias"] == pytest.approx(1e-3)  # the first step of AdamW is its rate
    assert not lens.state_dict["unembed.b_U"].any()  # the subject itself is whole


def test_a_head_that_is_cut_writes_nothing(subject: ListUpdateSubject) -> None:
    weights = random_weights()
    for layer in (0, 1):
        name = f"blocks.{layer}.attn.W_O"
        logits = plain({**weights, name: torch.zeros_like(weights[name])}, subject.tokens)[0]
        assert close(subject.without((layer, 0)).task.logits, logits[:, 7:10])
    assert close(subject.task.logits, plain(weights, subject.tokens)[0][:, 7:10])


# ---------------------------------------------------------------------------------- behaviour
def test_accuracies_are_of_the_prompts_they_name() -> None:
    found = list_update.subject("one-layer/seed0")
    assert isinstance(found, ListUpdateSubject)
    right = (found.task.logits.argmax(-1) == found.tokens[:, 8:]).double()
    by_prediction = right.mean(0).tolist()
    assert found.behaviour.accuracy == pytest.approx(sum(by_prediction) / 3)
    assert max(by_prediction) - min(by_prediction) > 0.05  # a mean over the wrong axis would show
    assert found.behaviour.batch_accuracy == pytest.approx(right[:256].mean().item())
    fresh = generate_mixed(10_000, FRESH_SEED)
    logits = found.lens.run(fresh).logits[:, 7:10]
    accuracy = (logits.argmax(-1) == fresh[:, 8:]).double().mean().item()
    assert found.behaviour.fresh_accuracy == pytest.approx(accuracy)
    assert accuracy not in (found.behaviour.accuracy, found.behaviour.batch_accuracy)


def test_two_layers_are_compared_with_the_best_of_the_others(subject: ListUpdateSubject) -> None:
    def made(accuracy: float) -> Behaviour:
        behaviour = Behaviour(subject.task, lambda: [2.0, 1.0, 0.5])
        behaviour.__dict__["accuracy"] = accuracy
        return behaviour

    found = made(0.9).against([made(0.2), made(0.6), made(0.4)])
    assert found == {"two_layers": 0.9, "one_layer": 0.6}
    assert made(0.9).training_loss(1) == 1.0
    assert made(0.9).losses(2)["in_training"] == 0.5


# ---------------------------------------------------------------------------------- means by index
def test_means_by_index_are_over_the_prompts_with_that_index() -> None:
    tokens = torch.stack([encode([7, 8, 9], index, 5) for index in (0, 2, 1, 2)])
    task = Task(model.open_model(model.untrained_state_dict()), tokens=tokens)
    values = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9], [14, 25, 36]])
    assert task.by_index(values).tolist() == [[1, 2, 3], [7, 8, 9], [9, 15, 21]]
    others = torch.tensor([1, 1, 0, 2])
    assert task.by_index(values, others).tolist() == [[7, 8, 9], [2.5, 3.5, 4.5], [14, 25, 36]]


def test_virtual_attention_is_that_of_kept_predictions() -> None:
    tokens = torch.stack([encode([7, 8, 9], index, 5) for index in range(3)])
    task = Task(model.open_model(model.untrained_state_dict()), tokens=tokens)
    pattern = torch.zeros(3, 11, 11, dtype=torch.float64)
    # Kept predictions look at their own list position (0.4 to 0.9), one of them more elsewhere.
    kept = {(0, 1): 0.4, (0, 2): 0.9, (1, 0): 0.6, (1, 2): 0.7, (2, 0): 0.8, (2, 1): 0.5}
    for (index, j), weight in kept.items():
        pattern[index, 7 + j, 1 + j] = weight
    pattern[0, 8, 5] = 0.6
    for index in range(3):  # the updated one looks at the element, the index and elsewhere
        pattern[index, 7 + index, [6, 5, 0]] = torch.tensor([0.1, 0.7, 0.2]).double()
    task.pattern = lambda *heads: pattern  # type: ignore[method-assign]
    attention = Attention(task, PUBLISHED)
    assert attention.virtual() == pytest.approx(
        {"least": 0.4, "most": 0.9, "looks_most_at_source": 5 / 6}
    )
    assert attention.from_updated() == pytest.approx(
        {"index": 0.7, "element": 0.1, "largest_other": 0.2}
    )
    assert attention.to_source(PREVIOUS) == pytest.approx(0.1)
    assert attention.full_at_source(PREVIOUS) == pytest.approx(1 / 9)
    assert attention.override() == {"updated": 1.0, "kept": 0.0}


def test_to_index_says_where_a_head_looks_most(subject: ListUpdateSubject) -> None:
    _, patterns, _ = plain(random_weights(), subject.tokens)
    most = int(patterns[0].mean(0)[7].argmax())
    expected = "index" if most == 5 else f"position {most}"
    assert subject.attention.to_index("newline")["looks_most_at"] == expected


# ---------------------------------------------------------------------------------- techniques
def test_a_technique_survives_if_its_control_does_not() -> None:
    found = Techniques.__new__(Techniques)
    found.__dict__["findings"] = {"a": 0.8, "b": 0.9, "c": 0.7, "d": 1.0}
    found.__dict__["controls"] = {"a": 0.7, "b": 0.8, "c": 0.1, "d": 0.0}
    assert found.steps_that_survive == 2
