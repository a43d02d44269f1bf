"""Every claim has a recorded outcome on every model that the repository ships, with a reason."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from replications.judging import outcome
from replications.judging.claim import Claim, SubjectInfo
from replications.systems import registry

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "claims").glob("*/test_*.py"))


def claims_in(module: Path) -> list[Claim]:
    loaded = importlib.import_module(f"claims.{module.parent.name}.{module.stem}")
    made = [getattr(value, "claim", None) for value in vars(loaded).values()]
    return [claim for claim in made if isinstance(claim, Claim)]


def shipped(info: SubjectInfo) -> bool:
    """Whether git tracks every file of a subject."""
    return all((ROOT / "fixtures" / name).is_file() for name in info.fixtures)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_claim_on_every_shipped_model(module: Path) -> None:
    recorded = outcome.read(outcome.beside(module))
    wanted = {
        (claim.id, info.name)
        for claim in claims_in(module)
        for info in registry.load(claim.system).SUBJECTS
        if claim.expectation_of(info.group) is not None and shipped(info)
    }
    assert sorted(wanted - set(recorded)) == []
    assert all(found.reason for found in recorded.values())
