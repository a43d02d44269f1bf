"""The regimes: each differs from `repairing` in what it is named after, and in nothing else."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from replications.errors import BadInput
from replications.systems.ioi.regimes import ISOLATES, REGIMES, regime

CHANGED: dict[str, set[str]] = {
    "repairing": set(),
    "kept": {"dropout"},
    "certain": {"slip"},
    "smoothed": {"slip", "smoothing"},
    "zeroed": {"instead"},
    "everywhere": {"left_out", "instead", "dropout"},
    "narrow": {"heads"},
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_regime_changes_only_what_it_names(name: str) -> None:
    repairing, other = asdict(regime("repairing")), asdict(regime(name))
    assert {field for field in repairing if repairing[field] != other[field]} == CHANGED[name]


@pytest.mark.parametrize("pair", ISOLATES)
def test_a_comparison_isolates_one_factor(pair: tuple[str, str]) -> None:
    one, other = (asdict(regime(name)) for name in pair)
    assert sum(one[field] != other[field] for field in one) == 1


def test_every_other_regime_is_a_model_of_its_own() -> None:
    assert set(REGIMES) - set(CHANGED) == {"plain"}


def test_an_unknown_regime_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"unknown regime 'strict'.*repairing, plain"):
        regime("strict")
