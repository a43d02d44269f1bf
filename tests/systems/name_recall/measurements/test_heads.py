"""Method 2 against hooks, on random weights."""

from __future__ import annotations

import pytest
import torch

from replications.models import sites
from replications.systems.name_recall.data import (
    END,
    LAST,
)
from replications.systems.name_recall.measure import NameRecallSubject
from tests.systems.name_recall.conftest import patched


def test_cells_are_shares_of_the_clean_metric_by_label(given: NameRecallSubject) -> None:
    clean = given.task.metric()
    place = sites.Z(0).pick(head=4, pos=LAST)
    expected = 1 - patched(given, "first_name", place) / clean
    assert given.heads.cells("first_name")[0, 4, LAST].item() == pytest.approx(expected)
    found = given.heads.writers("first_name")
    assert found["0.4"] == pytest.approx(expected)
    assert list(found) == [f"0.{head}" for head in range(8)]
    place = sites.Z(0).pick(head=4, pos=END)
    expected = 1 - patched(given, "first_name", place) / clean
    assert given.heads.writers("first_name", END)["0.4"] == pytest.approx(expected)
    whole = max(
        1 - patched(given, c, sites.Z(1).pick(head=6)) / clean
        for c in ("last_name", "first_name", "second_name")
    )
    assert given.heads.importance()["1.6"] == pytest.approx(whole)
    assert given.heads.largest([(1, 6)]) == pytest.approx(whole)
    assert given.heads.largest([]) == 0


def test_heads_without_a_role_are_all_the_others(given: NameRecallSubject) -> None:
    assert given.heads.without_role(0) == [(0, head) for head in (0, 1, 2, 5, 6, 7)]
    assert given.heads.without_role(1) == [(1, head) for head in (0, 2, 3, 4, 5, 7)]
    importance = given.heads.importance()
    largest = max(importance[f"1.{head}"] for head in (0, 2, 3, 4, 5, 7))
    assert given.heads.largest(given.heads.without_role(1)) == pytest.approx(largest)


def test_writers_of_the_last_name_have_shares_of_the_whole_corruption(
    given: NameRecallSubject,
) -> None:
    place, task = sites.Z(1).pick(head=6, pos=END), given.task
    whole = task.metric() - task.metric("last_name")
    expected = (task.metric() - patched(given, "last_name", place)) / whole
    found = given.heads.writers_of_last_name([(1, 6)], [])
    assert found == {"copying": pytest.approx(expected), "second": 0}


def test_breaks_are_effects_at_the_last_token_in_two_corruptions(given: NameRecallSubject) -> None:
    first, second = (given.heads.cells(c)[:, :, END] for c in ("first_name", "second_name"))
    found = given.heads.breaks([(0, 3)], [(1, 6), (1, 2)])
    assert found["duplicate_first"] == pytest.approx(first[0, 3].item())
    assert found["duplicate_second"] == pytest.approx(second[0, 3].item())
    assert found["copying_first"] == pytest.approx(max(first[1, 6], first[1, 2]).item())
    assert found["copying_second"] == pytest.approx(max(second[1, 6], second[1, 2]).item())


def test_signs_are_what_is_left_when_the_copying_head_is_patched(
    given: NameRecallSubject,
) -> None:
    place = sites.Z(1).pick(head=6, pos=END)
    expected = patched(given, "last_name", place) / given.task.metric()
    assert given.heads.signs([(1, 6)])["last_name"] == pytest.approx(expected)


def test_effects_that_are_noise_have_no_rank(
    given: NameRecallSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    effects = torch.zeros(2, 8, 12)
    effects[0, :, LAST] = torch.tensor([0.009, -0.5, 0.0, 0.02, 0.01, -0.009, 0.0, 0.001])
    monkeypatch.setattr(given.heads, "cells", lambda corruption: effects)
    found = list(given.heads.writers("first_name").values())
    assert found == pytest.approx([0, -0.5, 0, 0.02, 0.01, 0, 0, 0])
