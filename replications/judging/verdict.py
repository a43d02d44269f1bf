"""Judging one claim on one subject, which gives a row of the ledger."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

from replications.errors import ReplicationError
from replications.judging.claim import Claim, SubjectInfo
from replications.judging.control import Control
from replications.judging.expectation import Expectation, Verdict
from replications.judging.outcome import Outcome
from replications.judging.row import ControlResult, Row, row_of
from replications.judging.values import finite, to_json

NOT_RECORDED = (
    "no outcome is recorded: write a ledger with --claims-json LEDGER, then "
    "python -m replications record LEDGER --reason …"
)


class ControlFailed(ReplicationError):
    """A control raised an exception.  That is never a rejection."""


def judge(
    claim: Claim,
    info: SubjectInfo,
    subject: Any,
    *,
    controls: bool = True,
    lesion: bool = False,
    recorded: Outcome | None = None,
) -> Row:
    """Measure and judge `claim` on an opened subject, then on each of its controls.

    The row is compared with the `recorded` outcome.  With `lesion` nothing is asserted and nothing
    recorded: the row says whether the finding replicates.  KeyError if the claim expects nothing of
    the group of the subject.  An exception of the measurement comes through unchanged; an exception
    of a control comes as `ControlFailed`.
    """
    started = time.perf_counter()
    expectation = claim.expectation_of(info.group)
    if expectation is None:
        raise KeyError(f"claim {claim.id!r} expects nothing of the group {info.group!r}")
    measured = claim.measure(subject)
    verdict = expectation.judge(measured)
    tried = claim.controls_on(info.group)
    ran = controls or not tried
    results = [_try(claim, control, expectation, subject) for control in tried if ran]
    row = row_of(
        claim,
        info,
        measured=_json(measured, claim.parts),
        margin=_finite_or_none(verdict.margin),
        controls=tuple(result for result, _ in results) if ran else None,
        uncontrolled=_uncontrolled(verdict, [result for result, _ in results]) if ran else None,
        holds=verdict.holds,
        outcome=None if recorded is None else recorded.data(),
        status="error",
        seconds=time.perf_counter() - started,
    )
    objections = [objection for _, objection in results if objection]
    status, moved = ("", ()) if lesion else _compared(row, recorded, claim.asserts(info))
    return replace(
        row,
        status=status or _word(row),
        reason="; ".join([*moved, *_reasons(verdict, objections, row.uncontrolled or ())]),
    )


def _try(
    claim: Claim, control: Control, expectation: Expectation, subject: Any
) -> tuple[ControlResult, str]:
    """The result of a control, and why it shows nothing, "" if it was rejected."""
    try:
        value = control.measure(subject, claim.measure)
        verdict = expectation.judge(value)
    except Exception as exc:
        problem = f"control {control.name!r} raised {type(exc).__name__}: {exc}"
        raise ControlFailed(problem) from exc
    objection = ""
    if verdict.holds:
        objection = f"{control.name} ({verdict.why})"
    elif not finite(value):  # NaN fails every expectation, so it shows nothing about this one
        objection = f"{control.name} (its value is not finite, which is no rejection)"
    result = ControlResult(
        name=control.name,
        measured=_json(value, claim.parts),
        accepted=bool(objection),
        rejected_parts=verdict.rejected_parts,
        margin=_finite_or_none(verdict.margin),
    )
    return result, objection


def _uncontrolled(verdict: Verdict, results: list[ControlResult]) -> tuple[str, ...]:
    """The parts of a compound that no control rejected; none where there is no control at all."""
    rejected = {part for result in results for part in result.rejected_parts or ()}
    return tuple(p.name for p in verdict.parts if p.name not in rejected) if results else ()


def _compared(row: Row, recorded: Outcome | None, asserted: bool) -> tuple[str, tuple[str, ...]]:
    """The status of a row that fails or is asserted, else "", and what departs from the record."""
    found = row.found
    assert found is not None
    moved = recorded.departures(found, controls=not row.controls_skipped) if recorded else ()
    if asserted and not row.holds:
        return "fail", moved
    if asserted and not row.replicates:
        return "vacuous", moved
    if moved:
        return "changed", moved
    if asserted:
        return "pass", ()
    return ("", ()) if recorded else ("error", (NOT_RECORDED,))


def _word(row: Row) -> str:
    return "replicates" if row.replicates else "does not replicate"


def _reasons(verdict: Verdict, objections: list[str], uncontrolled: tuple[str, ...]) -> list[str]:
    """Why the claim does not hold, and which controls show nothing."""
    said = [] if verdict.holds else [verdict.why]
    if objections:
        said.append(f"control accepted: {'; '.join(objections)}")
    if verdict.holds and uncontrolled and not objections:
        said.append(f"no control rejects the parts: {', '.join(uncontrolled)}")
    return said


def _finite_or_none(margin: float) -> float | None:
    return margin if math.isfinite(margin) else None


def _json(value: Any, parts: tuple[str, ...] | None) -> Any:
    """`value` for the ledger; named parts in the order in which the claim names them."""
    return to_json([value[name] for name in parts] if parts else value)
