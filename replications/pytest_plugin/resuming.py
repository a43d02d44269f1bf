"""`--resume LEDGER`: the rows that an earlier run of the same claims measured are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from replications.errors import ReplicationError
from replications.judging.ledger import Ledger
from replications.pytest_plugin.digests import digests

UNFINISHED = ("error", "skip")
"""What an earlier run could not judge is tried again."""
_MUST_AGREE = (
    *("suite", "commit", "torch", "transformer_lens", "numpy", "scipy"),
    *("lens", "device", "device_name", "dtype", "threads", "tf32"),
)


def known(config: pytest.Config) -> Ledger | None:
    """What --resume keeps of the earlier run; None without that option.

    pytest.UsageError if the ledger cannot be read or has other controls than this run.
    """
    path = config.option.resume
    if not path:
        return None
    try:
        ledger = Ledger.read(path)
    except ReplicationError as exc:
        raise pytest.UsageError(f"--resume: {exc}") from exc
    judged = [row for row in ledger.rows if row.holds is not None]
    if any((row.controls is None) != config.option.no_controls for row in judged):
        without = "with" if config.option.no_controls else "without"
        raise pytest.UsageError(f"--resume {path}: its rows were judged {without} their controls")
    rows = tuple(row for row in ledger.rows if row.status not in UNFINISHED)
    return replace(ledger, rows=rows)


def check(path: str, earlier: Ledger, now: Mapping[str, Any]) -> None:
    """Refuse to join rows that were measured in two ways.  pytest.UsageError."""
    for what, then, here in _differences(earlier, now):
        raise pytest.UsageError(
            f"--resume {path}: it was measured with {what} {then}, this run has {here}; "
            "run without --resume"
        )


def _differences(earlier: Ledger, now: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key in _MUST_AGREE:
        if earlier.environment.get(key) != now.get(key):
            yield key, earlier.environment.get(key), now.get(key)
    here = digests(earlier.fixtures)
    for name, then in earlier.fixtures.items():
        if then != here[name]:
            yield f"the file {name} of sha256", then, here[name]
