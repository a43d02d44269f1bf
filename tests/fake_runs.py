"""Runs of pytest on a file of claims about the fake system, for the tests of the plugin."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from replications.judging.outcome import Outcome
from tests.fake_board import HEAD, recorded

PLUGINS = ("replications.pytest_plugin.plugin", "tests.fake_board", "claims.conftest")
# Plugins that would only slow the inner runs are left out.
WITHOUT = ("no:cacheprovider", "no:benchmark", "no:hypothesispytest")
NAMES = [word for name in PLUGINS + WITHOUT for word in ("-p", name)]
OPTIONS = ("--strict-markers", "--strict-config", *NAMES)
MODULE, OUTCOMES = "test_fake.py", "test_fake.outcomes.jsonl"

Run = Callable[..., Any]


@dataclass(frozen=True)
class Runner:
    """Runs pytest in this process; the ledger goes to claims.json."""

    pytester: pytest.Pytester

    def __call__(
        self, source: str, *options: str, outcomes: Iterable[Outcome] | str | None = None
    ) -> Any:
        """Run the claims of `source`, with the outcomes of tests.fake_board unless some are given.

        A text becomes the file of outcomes as it stands.
        """
        self.pytester.makepyfile(**{MODULE.removesuffix(".py"): HEAD + source})
        file = self.pytester.path / OUTCOMES
        given = recorded(source) if outcomes is None else outcomes
        file.write_text(given if isinstance(given, str) else lines(given), encoding="utf-8")
        ledger = () if "--claims-json" in options else ("--claims-json", "claims.json")
        return self.pytester.runpytest_inprocess(*OPTIONS, *ledger, *options)


def lines(outcomes: Iterable[Outcome]) -> str:
    """The content of a file of outcomes."""
    return "".join(json.dumps(outcome.data()) + "\n" for outcome in outcomes)


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of the ledger in a folder."""
    rows: list[dict[str, Any]] = json.loads((path / "claims.json").read_text())["rows"]
    return rows


def statuses(path: Path) -> dict[tuple[str, str], str]:
    """The status by claim (without its system) and subject."""
    return {(row["claim"][5:], row["subject"]): row["status"] for row in read(path)}


def last_line(result: Any) -> str:
    """The last line a run printed."""
    return str(next(line for line in reversed(result.outlines) if line.strip()))
