"""Method 2 against hooks, on random weights."""

from __future__ import annotations

import pytest

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
    assert given.heads.cell((0, 4), LAST, "first_name") == pytest.approx(expected)
    assert given.heads.writers_at_last_name("first_name")["0.4"] == pytest.approx(expected)
    found = given.heads.writers_at_last_name("first_name")
    assert list(found) == [f"0.{head}" for head in range(8)]
    exchanged = given.roles.exchange(found, "previous", "duplicate")
    assert exchanged["0.3"] == pytest.approx(expected)
    whole = max(
        1 - patched(given, c, sites.Z(1).pick(head=6)) / clean
        for c in ("last_name", "first_name", "second_name")
    )
    assert given.heads.importance()["1.6"] == pytest.approx(whole)


def test_signs_are_what_is_left_when_the_copying_head_is_patched(
    given: NameRecallSubject,
) -> None:
    place = sites.Z(1).pick(head=6, pos=END)
    expected = patched(given, "last_name", place) / given.task.metric()
    assert given.heads.signs([(1, 6)])["last_name"] == pytest.approx(expected)
