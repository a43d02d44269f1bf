"""Lesions of list-update models: each destroys what it names and nothing else."""

from __future__ import annotations

import pytest
import torch

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
}
ROWS = {"W_E of elements random": range(3, 50), "W_E of indices random": range(3)}
ZERO = {"head 0.0 zero": 0, "head 1.0 zero": 1}


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(model.open_model(model.untrained_state_dict(3)), tokens=generate_mixed(20, 5))


def test_every_lesion_is_tested_here() -> None:
    assert {*RANDOM, *ZERO} == set(EDITS)


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
