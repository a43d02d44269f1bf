"""Telling claims from ordinary tests, and refusing the latter where a folder is all claims."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from replications.pytest_plugin.systems import registered

if TYPE_CHECKING:
    from replications.judging.claim import Claim


def claim_of(owner: Any) -> Claim | None:
    """The claim of a test item, or of its `Metafunc`; None for an ordinary test.

    Where `replications.judging` was never imported there is no claim, so it is not imported here.
    """
    module = sys.modules.get("replications.judging.claim")
    if module is None:
        return None
    claim = getattr(getattr(owner, "function", None), "claim", None)
    return claim if isinstance(claim, module.Claim) else None


def only_claims(metafunc: pytest.Metafunc) -> None:
    """Refuse a test function that is no claim of a registered system.

    Call it from `pytest_generate_tests` in the conftest.py of a folder that holds nothing else, so
    that a forgotten decorator or a misspelt system is an error.  pytest.Collector.CollectError.
    """
    claim, where = claim_of(metafunc), metafunc.definition.nodeid
    if claim is None:
        raise pytest.Collector.CollectError(f"{where} is among the claims and has no @claim(...)")
    systems = registered(metafunc.definition, metafunc.config)
    if claim.system not in systems:
        raise pytest.Collector.CollectError(
            f"claim {claim.id!r}: no system {claim.system!r}, there are {list(systems)}"
        )
