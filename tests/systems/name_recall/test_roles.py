"""Heads by role: found by what they do, or as published; their labels."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from replications.systems.name_recall.data import END
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.roles import PUBLISHED, ROLES, Roles, find_roles
from tests.systems.name_recall import construction as made
from tests.systems.name_recall.construction import Match


def found(draft: made.Draft) -> Roles:
    return find_roles(made.small(draft).task)


def test_the_heads_of_a_known_circuit_are_found() -> None:
    roles = found(made.two_layers())
    assert [roles.heads(role) for role in ROLES] == [PUBLISHED.heads(role) for role in ROLES]
    assert roles.label(made.COPYING) == "copying"
    assert roles.label((1, 0)) == "1.0"


def test_a_role_that_nothing_fills_is_absent_and_has_a_candidate() -> None:
    draft = made.two_layers()
    draft.weights["blocks.0.attn.W_K"][made.DUPLICATE[1]] = 0
    draft.weights["blocks.1.attn.W_O"][made.SECOND[1]] = 0
    roles = found(draft)
    assert (roles.duplicate, roles.second) == ((), ())
    assert roles.best("duplicate")[0] == 0
    assert roles.best("duplicate") != made.PREVIOUS
    assert roles.best("second")[0] == 1
    assert roles.best("second") != made.COPYING
    assert roles.by_label({made.PREVIOUS: 1.0}, ROLES) == {
        "previous": 1.0, "duplicate": 0.0, "second": 0.0
    }  # fmt: skip
    assert roles.taken == {made.PREVIOUS, made.COPYING}


def test_heads_that_share_the_copying_come_in_the_order_of_their_effects() -> None:
    draft = made.two_layers()
    by_before = Match(made.TOKEN, made.BEFORE)
    for head, amount in (((1, 3), 5.0), ((1, 2), 20.0)):
        draft.wire(head, by_before, reads=made.TOKEN, writes=made.SAID, amount=amount)
    roles = found(draft)
    assert roles.copying == ((1, 2), (1, 6), (1, 3))
    assert roles.second == ((1, 1),)


def test_copying_heads_stand_after_the_previous_token_head_they_read() -> None:
    draft = made.Draft(3, 4)
    back = Match(made.PLACE, made.PLACE, shift=1)
    draft.wire((1, 0), back, reads=made.TOKEN, writes=made.BEFORE, sink=0)
    by_before = Match(made.TOKEN, made.BEFORE)
    draft.wire((2, 3), by_before, reads=made.TOKEN, writes=made.SAID, amount=9.0)
    # Where 15 words are repeated, 14 positions back stands what followed the word: this head of
    # layer 0 looks as if it did induction, but reads nothing that another head wrote.
    far = Match(made.PLACE, made.PLACE, shift=14)
    draft.wire((0, 2), far, reads=made.TOKEN, writes=made.SAID, amount=9.0)
    roles = found(draft)
    assert roles.previous == ((1, 0),)
    assert roles.copying == ((2, 3),)
    assert roles.second == ()


def test_no_head_has_two_roles() -> None:
    draft = made.two_layers()
    both = (Match(made.PLACE, made.PLACE, shift=1), Match(made.TOKEN, made.TOKEN))
    # It looks one token back, and where there is a copy, at both.
    draft.wire(made.PREVIOUS, *both, reads=made.TOKEN, writes=made.BEFORE, sink=0)
    draft.weights["blocks.0.attn.W_K"][made.DUPLICATE[1]] = 0
    roles = found(draft)
    every = [head for role in ROLES for head in roles.heads(role)]
    assert len(every) == len(set(every))


def test_a_model_of_one_layer_has_no_circuit() -> None:
    draft = made.Draft(1, 4)
    draft.wire((0, 1), Match(made.PLACE, made.PLACE, shift=1), reads=made.TOKEN, writes=made.SAID)
    assert found(draft).previous == found(draft).copying == ()


def test_published_heads_have_their_indices(originals: dict[str, NameRecallSubject]) -> None:
    small = originals["gelu-2l"]
    assert small.roles is PUBLISHED
    assert small.roles.label((1, 6)) == "1.6"
    assert small.roles.copying == ((1, 6),)
    assert small.roles.best("second") == (1, 1)


def test_a_score_of_0_2_fills_a_role_and_one_of_0_1_does_not() -> None:
    previous, duplicate, induction = torch.zeros(3, 2, 2, 3)
    previous[0, 0], duplicate[0, 1] = 0.2, 0.1
    scores = SimpleNamespace(previous=previous, duplicate=duplicate, induction=induction)
    task: Any = SimpleNamespace(
        layers=2,
        scores=scores,
        effect=lambda site, corruption: torch.zeros(2, 2, END + 1),
        metric=lambda: 1.0,
    )
    roles = find_roles(task)
    assert roles.previous == ((0, 0),)
    assert roles.duplicate == ()
    assert roles.best("duplicate") == (0, 1)
