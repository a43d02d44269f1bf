"""The parts of `pytest claims/` that take time: one claim each, on a subject opened anew.

A claim counts once its expectation holds, so that a fast wrong answer is no result.  Controls are
left out: they are the same measurement on something else.
"""

from __future__ import annotations

import importlib
import pkgutil
import statistics
from typing import Any

import pytest

from replications.judging.claim import Claim
from replications.systems import registry

PHASES = {
    "brackets/accuracy-5000": "retrained/seed0",
    "brackets/ln-final-fit-r2": "retrained/seed0",
    "brackets/early-close-causal": "retrained/seed0",
    "brackets/h00-writes-tally": "retrained/seed0",
    "list_update/test-accuracy": "seed2",
    "list_update/patch-resid-pairs": "seed2",
    "ioi/self-repair": "repairing/seed0",
    "name_recall/alternative-metrics": "toy/seed0",
}
"""Claim -> the subject it is timed on: weights that the repository ships."""
ROUNDS = 2


def find(name: str) -> Claim:
    """A claim by its id.  KeyError if there is none."""
    package = importlib.import_module(f"claims.{name.split('/')[0]}")
    found = [f"{package.__name__}.{each.name}" for each in pkgutil.iter_modules(package.__path__)]
    tests = [value for module in found for value in vars(importlib.import_module(module)).values()]
    claims = [getattr(test, "claim", None) for test in tests]
    return {claim.id: claim for claim in claims if isinstance(claim, Claim)}[name]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", PHASES)
def test_claim(benchmark: Any, table: list[dict[str, Any]], name: str) -> None:
    claim, chosen = find(name), PHASES[name]
    system = registry.load(name.split("/")[0])
    (info,) = (each for each in system.SUBJECTS if each.name == chosen)

    def opened() -> tuple[tuple[Any], dict[str, Any]]:
        return (system.subject(chosen),), {}

    measured = benchmark.pedantic(claim.measure, setup=opened, rounds=ROUNDS)
    verdict = claim.expect[info.group].judge(measured)
    assert verdict.holds, f"{name} on {chosen}: {verdict.why}"
    if benchmark.enabled:
        row = {
            "workload": name,
            "prompts": f"{chosen}, one thread",
            "parts": 1,
            "seconds": statistics.median(benchmark.stats.stats.data),
        }
        benchmark.extra_info.update(row)
        table.append(row)
