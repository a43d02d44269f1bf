"""Lesions of list-update models: each destroys what it names and nothing else."""

from __future__ import annotations

import pytest
import torch

from replications.lens import Lens
from replications.models import sites
from replications.systems import list_update
from replications.systems.list_update import ListUpdateSubject, model
from replications.systems.list_update.data import generate_mixed
from replications.systems.list_update.lesions import LESIONS as EDITS
from replications.systems.list_update.task import Task

RANDOM = {
    "W_OV of 0.0 random": ["blocks.0.attn.W_V", "blocks.0.attn.W_O"],
    "W_OV of 1.0 random": ["blocks.1.attn.W_V", "blocks.1.attn.W_O"],
    "W_QK of 0.0 random": ["blocks.0.attn.W_Q", "blocks.0.attn.W_K"],
    "W_QK of 1.0 random": ["blocks.1.attn.W_Q", "blocks.1.attn.W_K"],
    "positions random": ["pos_embed.W_pos"],
    "W_E of elements random": ["embed.W_E"],
    "W_E of indices random": ["embed.W_E"],
    "W_U random": ["unembed.W_U"],
}
ROWS = {"W_E of elements random": range(3, 50), "W_E of indices random": range(3)}
ZERO = {"head 0.0 zero": 0, "head 1.0 zero": 1}
OTHERS = {
    *("layers exchanged", "positions zero", "positions one later", "positions in the stream"),
    *("answers exchanged", "untrained"),
}


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(model.open_model(model.untrained_state_dict(3)), tokens=generate_mixed(20, 5))


def test_every_lesion_is_tested_here() -> None:
    assert {*RANDOM, *ZERO, *OTHERS} == set(EDITS)


@pytest.mark.parametrize("name", RANDOM)
def test_a_random_part_replaces_the_named_one_with_the_same_norm(task: Task, name: str) -> None:
    intact, lesioned = task.lens.state_dict, EDITS[name](task).state_dict
    assert {n for n in intact if not intact[n].equal(lesioned[n])} == set(RANDOM[name])
    for parameter in RANDOM[name]:
        before, after = intact[parameter], lesioned[parameter]
        if name in ROWS:
            rows = torch.tensor(ROWS[name])
            others = torch.ones(len(before), dtype=torch.bool)
            others[rows] = False
            assert before[others].equal(after[others])
            before, after = before[rows], after[rows]
        assert after.norm().item() == pytest.approx(before.norm().item(), rel=1e-5)
        assert abs(torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1]) < 0.3
    reference = model.untrained_state_dict(3)
    assert all(intact[n].equal(reference[n]) for n in reference)  # the subject itself is whole


@pytest.mark.parametrize("name", ZERO)
def test_a_head_that_is_zero_writes_nothing_and_looks_as_before(task: Task, name: str) -> None:
    layer = ZERO[name]
    lesioned = EDITS[name](task)
    reads = {"out": sites.ATTN_OUT(layer), "pattern": sites.PATTERN(layer)}
    intact, found = (lens.read(task.tokens, reads) for lens in (task.lens, lesioned))
    assert intact["out"].any()
    assert not found["out"].any()
    assert found["pattern"].equal(intact["pattern"])


def changed(task: Task, name: str) -> set[str]:
    """The parameters that a lesion changes."""
    intact, lesioned = task.lens.state_dict, EDITS[name](task).state_dict
    return {n for n in intact if not intact[n].equal(lesioned[n])}


def test_layers_are_exchanged_and_nothing_else(task: Task) -> None:
    intact, found = task.lens.state_dict, EDITS["layers exchanged"](task).state_dict
    for short in "QKVO":
        for layer, other in ((0, 1), (1, 0)):
            name, origin = (f"blocks.{i}.attn.W_{short}" for i in (layer, other))
            assert found[name].equal(intact[origin])
    assert all(name.startswith("blocks.") for name in changed(task, "layers exchanged"))


def test_positions_are_zero_or_those_of_the_position_before(task: Task) -> None:
    assert changed(task, "positions zero") == {"pos_embed.W_pos"}
    assert not EDITS["positions zero"](task).state_dict["pos_embed.W_pos"].any()
    assert changed(task, "positions one later") == {"pos_embed.W_pos"}
    before = task.lens.state_dict["pos_embed.W_pos"]
    after = EDITS["positions one later"](task).state_dict["pos_embed.W_pos"]
    assert after[1:].equal(before[:-1])
    assert after[0].equal(before[-1])


def test_positions_can_be_added_to_the_stream(task: Task) -> None:
    lens = EDITS["positions in the stream"](task)
    stream = lens.read(task.tokens, {"stream": sites.RESID_PRE(0)})["stream"]
    expected = lens.weights.W_E[task.tokens] + lens.weights.W_pos[: task.tokens.shape[1]]
    assert (stream - expected).abs().max() < 1e-6
    assert not changed(task, "positions in the stream")


def test_answers_are_exchanged_in_pairs(task: Task) -> None:
    intact, found = (lens.run(task.tokens).logits for lens in (task.lens, exchanged(task)))
    numbers = torch.arange(50)
    other = numbers + 1 - 2 * (numbers % 2)  # 0 and 1, 2 and 3 …
    assert (found[..., other] - intact).abs().max() < 1e-6
    assert changed(task, "answers exchanged") == {"unembed.W_U"}


def exchanged(task: Task) -> Lens:
    return EDITS["answers exchanged"](task)


def test_untrained_weights_are_seeded_and_of_the_same_shape() -> None:
    task = Task(model.open_model(model.untrained_state_dict(5)), tokens=generate_mixed(4, 5))
    found, again = (EDITS["untrained"](task).state_dict for _ in range(2))
    assert all(found[name].equal(again[name]) for name in found)
    assert {n: w.shape for n, w in found.items()} == {
        n: w.shape for n, w in task.lens.state_dict.items()
    }
    assert not found["embed.W_E"].equal(task.lens.state_dict["embed.W_E"])


def test_lesions_are_registered_for_one_seed_and_never_gate() -> None:
    assert [info.name for info in list_update.LESIONS] == [f"seed3~{name}" for name in EDITS]
    assert {(info.group, info.kind, info.gates) for info in list_update.LESIONS} == {
        ("seeds", "retrained", False)
    }
    assert {info.fixtures for info in list_update.LESIONS} == {
        info.fixtures for info in list_update.SUBJECTS if info.name == "seed3"
    }


def test_a_lesion_opens_by_name_with_the_curve_of_its_seed() -> None:
    whole, found = map(list_update.subject, ("seed3", "seed3~head 1.0 zero"))
    assert isinstance(whole, ListUpdateSubject)
    assert isinstance(found, ListUpdateSubject)
    assert found.name == "seed3~head 1.0 zero"
    assert not found.lens.state_dict["blocks.1.attn.W_O"].any()
    assert whole.lens.state_dict["blocks.1.attn.W_O"].any()
    assert found.loss_curve == whole.loss_curve
    assert found.untrained.lens.weights.W_E.equal(whole.untrained.lens.weights.W_E)
