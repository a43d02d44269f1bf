"""Lesions: what they destroy, that they leave the rest alone, and that they can be opened."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from replications.errors import BadInput
from replications.models import sites
from replications.systems import ioi
from replications.systems.ioi import IoiSubject, Task
from replications.systems.ioi.lesions import LESIONS, OF_CONSTRUCTION, OF_TOYS
from replications.systems.ioi.roles import Heads, Roles

HEADS: dict[str, Callable[[Roles], Heads]] = {
    "name mover mean": lambda roles: (roles.name_mover,),
    "negative heads mean": lambda roles: roles.negative,
    "S-inhibition heads mean": lambda roles: roles.s_inhibition,
    "induction heads mean": lambda roles: roles.induction,
    "duplicate-token heads mean": lambda roles: roles.duplicate,
    "previous-token heads mean": lambda roles: roles.previous,
}
OTHERS = (
    "answers exchanged",
    "read one token early",
    "unfolded weights",
    "scale left out",
    "untrained",
)


def outputs(task: Task, layer: int) -> torch.Tensor:
    """Outputs of a layer's heads on the prompts: [n pos head d_head]."""
    return task.lens.read(task.batch.tokens, {"z": sites.Z(layer)})["z"]


def test_there_is_a_lesion_of_each_role_and_of_each_mistake() -> None:
    assert set(LESIONS) == {*HEADS, *OTHERS}
    assert set(OF_TOYS) < set(LESIONS)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", HEADS)
def test_a_lesioned_head_gives_its_mean_on_abc_prompts_everywhere(
    name: str, subject: IoiSubject
) -> None:
    task = LESIONS[name](subject)
    lesioned: Heads = HEADS[name](subject.roles)
    for layer, head in lesioned:
        z = subject.task.lens.read(subject.task.abc.tokens, {"z": sites.Z(layer)})["z"]
        rows = [z[i, : int(end) + 1, head] for i, end in enumerate(subject.task.abc.end)]
        found = outputs(task, layer)[:, :, head]
        assert (found - torch.cat(rows).mean(0)).abs().max() < 1e-6  # of float32 weights
    # Up to the first lesioned layer, other heads see what they saw before.
    first = min(layer for layer, _ in lesioned)
    others = [head for head in range(2) if (first, head) not in lesioned]
    before, after = outputs(subject.task, first), outputs(task, first)
    assert after[:, :, others].equal(before[:, :, others])
    assert subject.lens.state_dict is not task.lens.state_dict


def test_a_lesion_leaves_the_intact_subject_alone(subject: IoiSubject) -> None:
    before = subject.task.difference()
    LESIONS["S-inhibition heads mean"](subject)
    assert subject.task.difference().equal(before)


def test_with_answers_exchanged_every_difference_has_the_other_sign(subject: IoiSubject) -> None:
    task = LESIONS["answers exchanged"](subject)
    assert task.answers.equal(subject.task.answers.flip(1))
    assert task.difference().equal(-subject.task.difference())
    assert task.abc.tokens.equal(subject.task.abc.tokens)


def test_reading_early_moves_the_end_of_every_batch(subject: IoiSubject) -> None:
    task = LESIONS["read one token early"](subject)
    for batch, intact in ((task.batch, subject.task.batch), (task.abc, subject.task.abc)):
        assert batch.tokens.equal(intact.tokens)
        assert batch.end.equal(intact.end - 1)
    logits = task.lens.run(task.batch.tokens).logits
    rows = torch.arange(len(logits))
    io, s = (logits[rows, task.batch.end, token] for token in task.answers.T)
    assert (task.difference() - (io - s)).abs().max() < 1e-9


def test_a_lesion_keeps_the_kind_of_task_with_other_weights(subject: IoiSubject) -> None:
    task = LESIONS["answers exchanged"](subject)
    lesioned = subject.variant("answers exchanged", task)
    assert lesioned.untrained.task.answers.equal(task.answers)
    assert lesioned.roles is subject.roles


def test_weights_that_are_not_folded_change_attributions_only(subject: IoiSubject) -> None:
    weights = dict(subject.lens.state_dict)
    weights["ln_final.w"] = torch.full_like(weights["ln_final.w"], 2.0)
    intact = subject.variant("doubled", subject.task.with_lens(subject.lens.reopen(weights)))
    before, after = (
        task.attribution for task in (intact.task, LESIONS["unfolded weights"](intact))
    )
    assert (after.heads - before.heads / 2).abs().max() < 1e-9
    assert after.logit_difference.equal(before.logit_difference)


def test_without_the_scale_attributions_are_those_times_the_scale(subject: IoiSubject) -> None:
    before, after = subject.task.attribution, LESIONS["scale left out"](subject).attribution
    assert (after.heads - before.heads * before.scale).abs().max() < 1e-9
    assert after.logit_difference.equal(before.logit_difference)
    assert after.scale.equal(before.scale)


def test_the_untrained_model_is_that_of_the_controls(subject: IoiSubject) -> None:
    assert LESIONS["untrained"](subject).difference().equal(subject.untrained.task.difference())


def test_lesions_of_the_construction_and_some_of_a_toy_are_registered() -> None:
    names = {f"construction~{lesion}" for lesion in OF_CONSTRUCTION}
    names |= {f"repairing/seed0~{lesion}" for lesion in OF_TOYS}
    assert {info.name for info in ioi.LESIONS} == names
    assert not any(info.gates for info in ioi.LESIONS)
    assert set(LESIONS) == {*OF_CONSTRUCTION, *OF_TOYS}


def test_a_model_without_its_name_mover_is_opened_by_name() -> None:
    intact, lesioned = (
        ioi.subject(name) for name in ("repairing/seed0", "repairing/seed0~name mover mean")
    )
    assert isinstance(intact, IoiSubject)
    assert isinstance(lesioned, IoiSubject)
    assert lesioned.name == "repairing/seed0~name mover mean"
    mover = intact.roles.name_mover
    assert intact.name_movers.share(mover) > 0.15
    assert abs(lesioned.name_movers.share(mover)) < 0.2 * intact.name_movers.share(mover)


def test_an_unknown_lesion_is_refused() -> None:
    with pytest.raises(BadInput, match="unknown subject 'repairing/seed0~all gone'"):
        ioi.subject("repairing/seed0~all gone")
