"""The fixture `run`: pytest on a file of claims about the fake system."""

from __future__ import annotations

import pytest
import tabulate  # noqa: F401

# Loaded once here, like tabulate, so that each inner run is quick.
import claims.conftest  # noqa: F401
import replications.report  # noqa: F401
from tests.fake_runs import Run, Runner


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest in this process on a file of claims; see `Runner`."""
    monkeypatch.setenv("REPLICATIONS_OFFLINE", "0")  # restored afterwards, also if a run sets it
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # the options name what is needed
    return Runner(pytester)
