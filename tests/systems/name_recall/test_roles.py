"""Heads by role: found by what they do, or as published; their labels."""

from __future__ import annotations

from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.roles import PUBLISHED


def test_heads_are_found_by_what_they_do(subject: NameRecallSubject) -> None:
    roles, scores = subject.roles, subject.task.scores
    assert roles.previous == (0, int(scores.previous[0].mean(-1).argmax()))
    assert roles.duplicate == (0, int(scores.duplicate[0].mean(-1).argmax()))
    induction = scores.induction[1].mean(-1)
    assert all(induction[h] >= induction.max() / 2 for _, h in roles.all_copying)
    assert roles.second not in roles.all_copying
    assert roles.label(roles.copying) == "copying"


def test_published_heads_have_their_indices(originals: dict[str, NameRecallSubject]) -> None:
    small = originals["gelu-2l"]
    assert small.roles is PUBLISHED
    assert small.roles.label((1, 6)) == "1.6"
    assert small.roles.all_copying == ((1, 6),)
