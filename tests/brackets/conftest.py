"""Subjects for the tests of the bracket system: random weights, and the published files if here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from replications.brackets import BracketData, BracketSubject, subject
from replications.brackets.data import generate
from replications.brackets.subjects import ARENA_DATA, ARENA_WEIGHTS
from replications.errors import FixtureMissing
from replications.fixtures import read_bytes
from tests.brackets.plain import Plain, random_weights


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Small matrices: two threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def strings() -> BracketData:
    """More strings than d_model, or a linear fit would be perfect; every failure class is there."""
    return generate(240, seed=7)


@pytest.fixture(scope="session")
def plain() -> Plain:
    return Plain(random_weights())


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
