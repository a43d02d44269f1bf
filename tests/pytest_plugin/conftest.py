"""The fixture `run`: pytest on a file of claims about the fake system."""

from __future__ import annotations

import pytest

import claims.conftest  # noqa: F401  loaded once here, so that each inner run is quick
from tests.fake_runs import Run, Runner


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest in this process on a file of claims; see `Runner`."""
    monkeypatch.setenv("REPLICATIONS_OFFLINE", "0")  # restored afterwards, also if a run sets it
    return Runner(pytester)
