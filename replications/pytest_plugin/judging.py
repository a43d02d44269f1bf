"""Judging the claim of one item, and recording the row."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any, NoReturn

import pytest

from replications.errors import FixtureMissing, ReplicationError
from replications.judging.claim import Claim, SubjectInfo
from replications.judging.ledger import describe
from replications.judging.row import FAILURES, Row
from replications.judging.verdict import judge
from replications.pytest_plugin import collecting, outcomes, selecting, subjects
from replications.pytest_plugin.records import PROPERTY


def run(item: pytest.Function, claim: Claim) -> None:
    """Judge a claim and record its row.  Fails or skips the test as the row says."""
    options, started = item.config.option, time.perf_counter()
    info = subjects.info_of(item, claim)
    problem: Exception | None = None
    try:
        row = judge(
            claim,
            info,
            subjects.open_subject(item, claim),
            controls=not options.no_controls,
            lesion=options.lesions,
            recorded=outcomes.recorded(item, claim, info.name),
        )
    except Exception as exc:
        row = Row.for_exception(claim, info, exc, time.perf_counter() - started)
        problem = exc
    _record(item, claim, info, row)
    if problem is not None:
        _raise(problem, row)
    if row.status in FAILURES:
        pytest.fail(_message(claim, row), pytrace=False)


def record_setup(item: pytest.Item, claim: Claim, exc: BaseException) -> None:
    """Record the row of a claim whose fixtures skipped or raised."""
    if isinstance(exc, pytest.skip.Exception):
        exc = FixtureMissing(exc.msg or "skipped without a reason")
    if isinstance(exc, (Exception, pytest.fail.Exception)):
        info = subjects.info_of(item, claim)
        _record(item, claim, info, Row.for_exception(claim, info, exc, 0.0))


def _record(item: pytest.Item, claim: Claim, info: SubjectInfo, row: Row) -> None:
    """Attach the row to the item, with what the ledger says about the claim."""
    chosen = collecting.subject_of(item)
    if chosen is not None:
        gating = chosen.system.gating(claim)
    else:
        gating = collecting.names(item.config, claim)
    record = {
        "row": asdict(row),
        "claim": describe(claim, gating, outcomes.file_of(item)),
        "plan": selecting.take_plan(item.config),
        "fixtures": list(info.fixtures),
        "gates": claim.gates(info),
    }
    item.user_properties.append((PROPERTY, record))


def _raise(exc: Exception, row: Row) -> NoReturn:
    """Tell pytest of a claim that could not be judged."""
    if row.status in ("skip", "unsupported"):
        pytest.skip(row.reason)
    if isinstance(exc, ReplicationError) and exc.__cause__ is None:
        pytest.fail(f"{row.claim} on {row.subject}: {row.reason}", pytrace=False)
    raise exc


def _message(claim: Claim, row: Row) -> str:
    return f"{row.claim} on {row.subject}: {_TOLD[row.status]}\n  {claim.says}\n  {row.reason}"


_TOLD = {
    "fail": "it does not hold",
    "changed": "it departs from the recorded outcome",
    "vacuous": "its controls show nothing",
    "error": "it cannot be judged",
}


def word(record: dict[str, Any]) -> tuple[str, str, str] | None:
    """How pytest reports a row: category, letter and word; None where its own words fit."""
    status = record["row"]["status"]
    if status in ("pass", "error", "skip") or status in FAILURES:
        return None
    letter = {"replicates": "r", "does not replicate": "n", "unsupported": "u"}[status]
    return status, letter, status.upper()
