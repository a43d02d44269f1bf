"""Heads found by what they do, given ones, and the controls that keep them."""

from __future__ import annotations

import pytest
import torch

from replications.systems import brackets
from replications.systems.brackets import BracketSubject
from replications.systems.brackets.recording import HEADS, head_label
from replications.systems.brackets.roles import PUBLISHED, Roles, find_roles
from tests.systems.brackets.subjects import fresh

LABELS = [head_label(head) for head in HEADS]


@pytest.mark.parametrize(
    "planted",
    [Roles(), Roles((0, 1), (1, 0), (2, 1), (2, 0)), Roles((0, 1), (1, 1), (2, 1), (1, 0))],
    ids=["as published", "all others", "negative in layer 1"],
)
def test_planted_heads_are_found_in_their_roles(single: BracketSubject, planted: Roles) -> None:
    s, data = fresh(single), single.task.data
    u = {label: torch.zeros(len(data)).double() for label in LABELS}
    u[head_label(planted.total)] += 5.0 * (
        s.task.T | s.task.N
    )  # it answers both, but T more than others
    u[head_label(planted.negative)] += 4.0 * s.task.N
    s.task.__dict__["contributions"] = u
    components = s.task.recording.components
    share = (data.open_share - 0.5).float()[:, None]
    for head in ((0, 0), (0, 1)):
        slope = 30.0 if head == planted.elevation else 3.0
        components[1 + head[1], :, 1] = slope * share
    direction = s.task.direction_before(planted.total).float()
    for head in ((1, 0), (1, 1)):
        size = 9.0 if head == planted.helper else 1.0
        components[4 + head[1], :, 1] = size * s.task.N[:, None] * direction
    assert find_roles(s.task) == planted
    assert s.roles == planted
    heads = (planted.elevation, planted.helper, planted.total, planted.negative)
    assert s.roles.labels == [head_label(head) for head in heads if head]
    assert s.elevation_head.label == head_label(planted.elevation)
    assert s.total_head.label == head_label(planted.total)


def test_a_head_before_the_first_mlp_is_never_a_checking_head(single: BracketSubject) -> None:
    s = fresh(single)
    u = {label: torch.zeros(len(s.task.data)).double() for label in LABELS}
    u["0.1"] += 9.0 * ~s.task.B
    u["1.0"] += 5.0 * s.task.T
    u["2.0"] += 1.0 * s.task.N
    s.task.__dict__["contributions"] = u
    assert (s.roles.total, s.roles.negative) == ((1, 0), (2, 0))
    assert s.roles.helper is None  # the total head reads before the heads of layer 1 write
    assert s.roles.labels[1] == "none"


def test_the_negative_head_is_not_the_helper_too(single: BracketSubject) -> None:
    s = fresh(single)
    u = {label: torch.zeros(len(s.task.data)).double() for label in LABELS}
    u["2.0"] += 5.0 * s.task.T
    u["1.0"] += 5.0 * s.task.N
    s.task.__dict__["contributions"] = u
    direction = s.task.direction_before((2, 0)).float()
    s.task.recording.components[4, :, 1] = 9.0 * s.task.N[:, None] * direction
    assert (s.roles.total, s.roles.negative, s.roles.helper) == ((2, 0), (1, 0), (1, 1))


def test_without_a_helper_its_effects_are_zero(single: BracketSubject) -> None:
    circuit = fresh(single, Roles(helper=None)).circuit
    assert circuit.without() == {"lost_on_N": 0.0, "change_on_T": 0.0}
    assert circuit.carries_negative() == {"N_over_T": 0.0, "lost_on_N": 0.0}
    assert circuit.helper_input() == {"auroc": 0.5, "over_mlp1": 0.0}
    early = fresh(single, Roles(helper=None, total=(1, 1))).circuit  # reads before mlp1 writes
    assert early.helper_input((1, 0)) == {"auroc": 0.5, "over_mlp1": 0.0}
    assert early.carries_negative("mlp1")["N_over_T"] == 0
    components = fresh(single, Roles(helper=None)).components
    assert components.class_overlap() == components.class_overlap("mlp2")


def test_given_roles_are_kept_and_pass_to_variants(single: BracketSubject) -> None:
    given = Roles((0, 1), (1, 0), (2, 1), (2, 0))
    s = fresh(single, given)
    assert s.roles == given
    assert s.variant("other", s.lens).roles == given
    assert s.variant("other", s.lens, Roles()).roles == Roles()


def test_the_untrained_control_has_other_weights_and_the_published_roles(
    single: BracketSubject,
) -> None:
    s = fresh(single, Roles((0, 1), (1, 0), (2, 1), (2, 0)))
    assert s.untrained.roles == PUBLISHED
    assert s.untrained.name == "fresh~untrained"
    assert s.untrained.task.data is s.task.data
    assert not s.untrained.task.recording.logits.equal(s.task.recording.logits)


def test_retrained_models_share_their_untrained_control() -> None:
    first, second = (brackets.subject(f"retrained/seed{i}") for i in range(2))
    assert isinstance(first, BracketSubject)
    assert isinstance(second, BracketSubject)
    assert first.untrained is second.untrained
    assert first.untrained.task.data is first.task.data is second.task.data
