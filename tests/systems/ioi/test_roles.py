"""The search for roles: on scores written by hand, and on a model whose roles are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from replications.models import Head
from replications.models.sites import Q
from replications.systems import ioi
from replications.systems.ioi import IoiSubject, Task, construction
from replications.systems.ioi.data import ABC, draw
from replications.systems.ioi.roles import (
    PUBLISHED,
    Roles,
    Seen,
    assign,
    find_roles,
    observe,
    top_heads,
)

SHAPE = (5, 3)
"""Five layers of three heads."""

CIRCUIT: dict[str, dict[Head, float]] = {
    "direct": {(3, 0): 2.0, (3, 1): 0.5, (4, 0): 0.3, (4, 1): -0.9, (3, 2): 0.1},
    "effect": {(2, 0): -0.3, (2, 1): -0.1, (2, 2): -0.01},
    "induction": {(1, 0): 0.9, (1, 2): 0.2},
    "fuzzy": {(1, 0): 0.8, (1, 1): 0.7},
    "duplicate": {(0, 0): 0.9, (1, 2): 0.8},
    "previous": {(0, 1): 0.9, (0, 2): 0.1},
    "matters": {(2, 2): 0.05, (3, 2): 0.2},
}
"""What the heads of a small circuit do; all that is not listed is zero."""


def seen(**changes: Mapping[Head, float]) -> Seen:
    values = {}
    for name, given in {**CIRCUIT, **changes}.items():
        values[name] = torch.zeros(SHAPE, dtype=torch.float64)
        for head, value in given.items():
            values[name][head] = value
    return Seen(**values)


def circuit(roles: Roles) -> list[Head]:
    """Every head with a role, as often as it has one."""
    named = ("negative", "s_inhibition", "induction", "fuzzy", "duplicate", "previous")
    return [*roles.name_movers, *(head for name in named for head in getattr(roles, name))]


def test_heads_get_the_roles_that_they_were_given() -> None:
    assert assign(seen()) == Roles(
        name_mover=(3, 0),
        name_movers=((3, 0), (3, 1), (4, 0)),
        negative=((4, 1),),
        s_inhibition=((2, 0), (2, 1)),
        biggest_inhibition=((2, 0),),
        token_readers=(),
        induction=((1, 0),),
        fuzzy=((1, 1),),
        duplicate=((0, 0), (1, 2)),
        previous=((0, 1),),
        outside=((4, 2), (2, 2)),
        outside_early=(),
        outside_earliest=((0, 2),),
    )


def test_no_head_has_two_roles() -> None:
    everything = {(layer, head): 0.9 - 0.1 * head for layer in range(5) for head in range(3)}
    roles = assign(
        seen(
            effect={head: -value for head, value in everything.items()},
            induction=everything,
            fuzzy=everything,
            duplicate=everything,
            previous=everything,
        ),
        count=3,
    )
    found = circuit(roles)
    assert len(set(found)) == len(found)
    assert not set(roles.outside) & set(found)


@pytest.mark.parametrize(
    ("role", "score", "head"),
    [
        ("s_inhibition", "effect", (3, 1)),  # beside the name mover
        ("s_inhibition", "effect", (4, 0)),  # after it
        ("induction", "induction", (0, 0)),  # no layer before it
        ("induction", "induction", (2, 2)),  # beside the S-inhibition heads
        ("fuzzy", "fuzzy", (0, 2)),
        ("fuzzy", "fuzzy", (4, 2)),
        ("duplicate", "duplicate", (2, 2)),
        ("previous", "previous", (1, 1)),  # beside the induction heads
        ("previous", "previous", (4, 2)),
    ],
)
def test_heads_in_the_wrong_layer_do_not_fill_a_role(role: str, score: str, head: Head) -> None:
    strongest = -5.0 if score == "effect" else 5.0
    roles = assign(seen(**{score: {**CIRCUIT[score], head: strongest}}))
    assert head not in getattr(roles, role)
    assert getattr(roles, role) == getattr(assign(seen()), role)


def test_negative_heads_come_no_earlier_than_the_name_mover() -> None:
    roles = assign(seen(direct={**CIRCUIT["direct"], (0, 0): -5.0, (3, 2): -0.5}))
    assert roles.negative == ((4, 1), (3, 2))


@pytest.mark.parametrize("name", ["effect", "induction", "fuzzy", "duplicate", "previous"])
def test_a_role_that_nothing_fills_is_absent(name: str) -> None:
    roles = assign(seen(**{name: {}}))
    role = "s_inhibition" if name == "effect" else name
    assert getattr(roles, role) == ()
    assert roles.name_mover == (3, 0)
    if name == "effect":
        assert roles.biggest_inhibition == ()


def test_without_s_inhibition_early_heads_come_before_the_name_mover() -> None:
    roles = assign(seen(effect={}, induction={(2, 0): 0.9}, previous={(1, 1): 0.9}))
    assert (roles.induction, roles.previous) == (((2, 0),), ())
    roles = assign(seen(effect={}, induction={(2, 0): 0.9}, previous={(1, 1): 0.9}, fuzzy={}))
    assert (roles.induction, roles.previous) == (((2, 0),), ((1, 1),))


def test_a_name_mover_of_the_first_layer_has_no_heads_before_it() -> None:
    roles = assign(seen(direct={(0, 0): 2.0, (1, 1): 0.5}))
    assert roles.name_movers == ((0, 0), (1, 1))
    early = (roles.s_inhibition, roles.induction, roles.fuzzy, roles.duplicate, roles.previous)
    assert early == ((),) * 5


def test_heads_outside_matter_little() -> None:
    roles = assign(seen(matters={(2, 2): 0.2, (3, 2): 0.2, (4, 2): 0.2, (0, 2): 0.2}))
    assert roles.outside == roles.outside_earliest == ()


@pytest.fixture(scope="module")
def by_hand() -> IoiSubject:
    found = ioi.subject("construction")
    assert isinstance(found, IoiSubject)
    return found


@pytest.mark.slow
def test_the_heads_of_the_construction_are_found(by_hand: IoiSubject) -> None:
    # Four prompts are enough where nothing is noise.
    task = Task(by_hand.lens, by_hand.task.tokenizer, bos=True, sample=draw(4))
    found, written = find_roles(task), construction.ROLES
    assert found.name_mover == written.name_mover
    for name in ("negative", "induction", "fuzzy", "duplicate", "previous"):
        assert set(getattr(found, name)) == set(getattr(written, name))
    # Backups that are silent, and two weak name movers, are not told from heads that do nothing.
    assert set(found.name_movers) == {(9, 9), (9, 6), (10, 0)} < set(written.name_movers)
    assert len(found.s_inhibition) == 2
    assert set(found.s_inhibition) < set(written.s_inhibition)
    idle = {head for name in ("outside", "outside_early", "outside_earliest")
            for head in getattr(found, name)}  # fmt: skip
    assert idle
    assert not idle & set(circuit(written))


@pytest.mark.parametrize("name", ["repairing/seed0", "repairing/seed1", "plain/seed0"])
def test_toys_have_no_early_heads_and_no_head_twice(name: str) -> None:
    found = ioi.subject(name)
    assert isinstance(found, IoiSubject)
    roles = found.roles
    assert roles.induction == roles.duplicate == roles.previous == ()
    heads = circuit(roles)
    assert len(set(heads)) == len(heads)
    for layer, _ in roles.s_inhibition:
        assert layer < roles.name_mover[0]


def test_what_is_measured_of_an_absent_role_satisfies_no_claim(subject: IoiSubject) -> None:
    nothing: dict[str, Any] = {field.name: () for field in fields(Roles)[2:]}
    absent = replace(subject.roles, **nothing)
    without = IoiSubject("without", subject.task, roles=absent)
    assert without.early_heads.induction(()) == {"attention": [], "times_duplicate": []}
    assert without.early_heads.times_first(PUBLISHED.induction[:0]) == []
    assert without.early_paths.alone(((0, 0), (0, 1)), ()) == []
    assert set(without.early_paths.pair((), ()).values()) == {0.0}
    assert without.position_against_token.identity_errors == []
    table = without.position_against_token.together
    assert table.both_inverted == pytest.approx(1.0)
    assert table.position_steps["mean"] == pytest.approx(0.0)


def test_what_heads_do_is_that_of_one_run_for_each_head(subject: IoiSubject) -> None:
    task = subject.task
    seen, clean = observe(task), task.difference().mean()
    for head in ((0, 1), (1, 0), (2, 1)):
        changed = task.difference(task.outputs_on(ABC, [head])).mean()
        assert seen.matters[head].item() == pytest.approx(abs(changed / clean - 1).item(), abs=1e-9)
        rows, at = torch.arange(len(task.batch)), (task.positions["S2"], task.positions["S1+1"])
        here, on_abc = (
            task.patterns(head, tokens)[rows, *at].double().mean().item()
            for tokens in (task.batch.tokens, task.abc.tokens)
        )
        assert seen.fuzzy[head].item() == pytest.approx(here - on_abc, abs=1e-9)
        by_head = task.path_effect_of_each(Q, [top_heads(seen.direct, 1)[0]])
        assert seen.effect[head].item() == by_head.get(head, 0.0)
