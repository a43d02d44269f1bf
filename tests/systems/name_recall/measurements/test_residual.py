"""Method 1 against hooks and against maps written by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.models import sites
from replications.models.edits import put_rows
from replications.systems.name_recall.data import (
    END,
    FIRST,
    LAST,
)
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.task import rank


def with_effects(subject: NameRecallSubject, effects: Tensor) -> NameRecallSubject:
    """A subject whose residual effects are given, [row pos], for every corruption."""
    made = NameRecallSubject("effects", subject.lens, subject.task.tokenizer)
    made.task.residual_share = lambda corruption: effects  # type: ignore[method-assign]
    return made


def test_jumps_and_first_rows_are_read_off_the_map(subject: NameRecallSubject) -> None:
    effects = torch.zeros(6, 12, dtype=torch.float64)
    effects[:, END] = torch.tensor([0.0, 0.02, 0.1, 0.3, 0.92, 1.0])
    effects[:, LAST] = torch.tensor([1e-9, 0.2, 0.8, 0.6, 0.05, 0.0])
    effects[:, FIRST] = torch.tensor([1.0, 0.9, 0.1, 0.0, 0.0, 0.0])
    made = with_effects(subject, effects)
    found = made.residual
    assert found.jump() == {"largest_at": 3, "layers_above_5_percent": 4}
    assert found.jump(position=LAST) == {"largest_at": 1, "layers_above_5_percent": 2}
    assert found.layers_that_carry() == 2
    assert (found.first_at(FIRST), found.first_at(LAST), found.first_at(END)) == (0, 2, 4)
    assert found.leaves_last_name() == 4
    assert made.two_layers.between_layers("first_name") == pytest.approx(0.2)
    assert made.two_layers.between_layers("first_name", FIRST) == pytest.approx(0.9)
    assert made.two_layers.stays_at(FIRST) == pytest.approx(0.88)
    effects[:, LAST] = 0
    assert with_effects(subject, effects).residual.first_at(LAST) == 6


def test_the_last_token_takes_over_only_after_the_last_name_was_there(
    subject: NameRecallSubject,
) -> None:
    effects = torch.zeros(4, 12, dtype=torch.float64)
    effects[:, END] = torch.tensor([0.1, 0.1, 0.2, 1.0])
    effects[:, LAST] = torch.tensor([0.0, 0.0, 0.8, 0.0])
    assert with_effects(subject, effects).residual.leaves_last_name() == 3
    assert with_effects(subject, effects[:3]).residual.leaves_last_name() == 3


def test_a_first_name_is_changed_before_or_after_it_has_moved(subject: NameRecallSubject) -> None:
    task = subject.task
    clean, found = task.metric(), subject.residual.neutral()
    assert found["first_name"] == pytest.approx(task.metric("first_name") / clean)
    assert found["last_name"] == pytest.approx(task.metric("last_name") / clean)
    other = subject.residual.neutral(other="second_name", moved=True)
    assert other["last_name"] == pytest.approx(task.metric("second_name") / clean)
    expected = task.map("residual", "first_name")[task.stored_after + 1, FIRST].item() / clean
    assert other["first_name"] == pytest.approx(expected)
    assert expected != pytest.approx(found["first_name"])


def test_what_is_left_of_first_names_late_is_the_largest_effect_left_of_the_end(
    subject: NameRecallSubject, originals: dict[str, NameRecallSubject]
) -> None:
    large = originals["gpt2-small"]
    effect = large.task.residual_share("first_name")
    assert large.residual.left_over() == pytest.approx(effect[8:, :11].abs().max().item())
    assert large.residual.left_over() > 0


def test_ranks_when_patched_are_those_of_one_patch(subject: NameRecallSubject) -> None:
    place = sites.RESID_POST(0).pick(pos=LAST)
    value = subject.lens.read(subject.task.prompts.last_name, {"v": place})["v"]
    edits = [put_rows(place, value)]
    logits = subject.lens.run(subject.task.prompts.clean, edits=edits).logits[:, -1]
    found = subject.residual.ranks_when_patched()
    expected = rank(logits, subject.task.prompts.incorrect).double().mean().item()
    assert found["other"] == pytest.approx(expected)
    best = int(logits[0].argmax())
    top = subject.first_steps.likeliest_when_patched
    assert top[0][1] == subject.task.tokenizer.strings([best])[0]
    assert top[0][2] == pytest.approx(logits[0, best].item())
    late = subject.residual.ranks_when_patched(after=1)
    clean = subject.lens.run(subject.task.prompts.clean).logits[:, -1]
    expected = rank(clean, subject.task.prompts.correct).double().mean().item()
    assert late["right"] == pytest.approx(expected)
