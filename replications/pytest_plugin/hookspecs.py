"""The hooks that a conftest.py may implement to serve its claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from replications.pytest_plugin.systems import System


@pytest.hookspec
def pytest_claims_systems(config: pytest.Config) -> Sequence[System]:  # type: ignore[empty-body]
    """The systems whose subjects the claims of this folder are measured on.

    A claim "name/slug" belongs to the system `name`.  Claims of any other name take their subject
    from a fixture called `subject`.
    """


@pytest.hookspec(firstresult=True)
def pytest_claims_environment(config: pytest.Config) -> Mapping[str, Any] | None:
    """What subjects are opened with, for the ledger: `lens`, `device`, `dtype` and `threads`."""
