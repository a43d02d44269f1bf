"""Small numbers that are read off a table or a sentence: the right cell, and the right sign."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from replications.models import sites
from replications.systems.ioi.data import POSITION, RULES, TOKEN
from replications.systems.ioi.measurements import Arithmetic, arithmetic
from replications.systems.ioi.measurements.early_paths import EarlyPaths
from replications.systems.ioi.measurements.name_movers import NameMovers
from replications.systems.ioi.measurements.signal_table import Table


def test_the_closest_other_cell_is_not_the_clean_one_and_not_the_furthest() -> None:
    table = Table(torch.tensor([[2.0, 1.5], [0.5, -1.0], [3.5, -2.0]]).double(), clean=2.0)
    assert table.identity_error == 0
    assert table.closest_other_cell == 0.5
    assert table.both_inverted == -1


@pytest.mark.parametrize("token", TOKEN)
@pytest.mark.parametrize("position", POSITION)
def test_the_printed_example_asks_for_a_random_token_and_an_inverted_position(
    token: str, position: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Arithmetic().printed_example == 0  # the document's own sentence is something else
    monkeypatch.setattr(arithmetic, "signals_of", lambda before, after: (token, position))
    assert Arithmetic().printed_example == ((token, position) == ("random", "inverted"))


def test_the_second_largest_change_of_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    movers = NameMovers.__new__(NameMovers)
    for changes, second in (([0.1, 0.4, 0.2, 0.3], 0.3), ([0.4], 0.0)):
        monkeypatch.setattr(NameMovers, "to_io", lambda *_, found=changes: found)
        assert movers.second_to_io(()) == second


def test_previous_token_heads_among_those_that_hurt_most() -> None:
    paths = EarlyPaths.__new__(EarlyPaths)
    effects = {(2, 2): -0.3, (0, 1): -0.2, (4, 11): -0.1, (0, 0): 0.0}
    paths._task = SimpleNamespace(path_effect_of_each=lambda site, into: effects)  # type: ignore[assignment]
    paths._roles = SimpleNamespace(previous=((2, 2), (4, 11)))  # type: ignore[assignment]
    assert paths.from_previous(sites.K, ()) == {"named": 1, "effects": [-0.3, -0.1]}


def test_a_softmax_of_two_scores() -> None:
    found = Arithmetic().softmax()
    assert found["one_head"] == pytest.approx(1 / (1 + math.exp(4)))
    assert found["both_heads"] == 0.5


def test_the_control_of_the_flips_exchanges_two_cells_of_one_column(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arithmetic, "share_realised", lambda prompts, rules, seed: rules)
    rules: Any = Arithmetic().signals_realised(two_exchanged=True)
    assert rules == {**RULES, (1, 0): RULES[2, 0], (2, 0): RULES[1, 0]}
