"""Subjects for the tests of the bracket system: random weights, and the published files if here."""

from __future__ import annotations

import pytest
from torch import Tensor

from replications.errors import FixtureMissing
from replications.fixtures import read_bytes
from replications.systems.brackets import BracketData, BracketSubject, subject
from replications.systems.brackets.data import generate
from replications.systems.brackets.infos import ARENA_DATA, ARENA_WEIGHTS
from tests.systems.brackets.plain import Plain, least_squares, random_weights


@pytest.fixture(scope="session")
def strings() -> BracketData:
    """More strings than d_model, or a linear fit would be perfect; every failure class is there."""
    return generate(120, seed=7)


@pytest.fixture(scope="session")
def plain() -> Plain:
    return Plain(random_weights())


@pytest.fixture(scope="session")
def reference(plain: Plain, strings: BracketData) -> dict[str, Tensor]:
    """Everything the plain model computes on the strings."""
    return plain.run(strings.tokens)


@pytest.fixture(scope="session")
def pf(plain: Plain, reference: dict[str, Tensor]) -> Tensor:
    """Direction before the final LayerNorm that means "unbalanced"."""
    coef, _ = least_squares(reference["resid_final"][:, 0], reference["ln_final"][:, 0])
    return coef.T @ plain.unbalanced()


@pytest.fixture(scope="session")
def exact(strings: BracketData) -> BracketSubject:
    """Random weights in float64. Read only: what it measures is kept for the session."""
    found = subject(state_dict=random_weights(), data=strings, dtype="float64")
    assert isinstance(found, BracketSubject)
    return found


@pytest.fixture(scope="session")
def single(strings: BracketData) -> BracketSubject:
    """The same in float32, the default."""
    found = subject(state_dict=random_weights(), data=strings)
    assert isinstance(found, BracketSubject)
    return found


@pytest.fixture(scope="session")
def published() -> dict[str, bytes]:
    """The two published files, verified. Skips where they cannot be reached."""
    try:
        return {name: read_bytes(name) for name in (ARENA_WEIGHTS, ARENA_DATA)}
    except FixtureMissing as missing:
        pytest.skip(f"needs the published files: {missing}")
