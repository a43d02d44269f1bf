"""Judging one claim on one subject, which gives a row of the ledger."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from replications.errors import BadInput, FixtureMissing, ReplicationError, Unsupported
from replications.judging.claim import Claim, SubjectInfo
from replications.judging.control import Control
from replications.judging.expectation import Expectation, Verdict
from replications.judging.values import finite, to_json

STATUSES = ("pass", "fail", "observed", "vacuous", "error", "skip", "unsupported")
GATING_FAILURES = ("fail", "vacuous", "error")


@dataclass(frozen=True)
class ControlResult:
    """What became of one control.

    `accepted` says that the control shows nothing: the expectation held on it, or its value was not
    finite, so that no expectation could hold.  `rejected_parts` names the parts of a compound
    expectation that were rejected; it is empty where the expectation has one part only, and None
    where the ledger does not know.  `margin` is None where there is no finite distance.
    """

    name: str
    measured: Any
    accepted: bool
    rejected_parts: tuple[str, ...] | None
    margin: float | None

    @classmethod
    def from_json(cls, entry: Any) -> ControlResult:
        """The result in a ledger.  BadInput if it has other keys."""
        _check_keys(cls, entry, "result of a control")
        parts = entry["rejected_parts"]
        return cls(**{**entry, "rejected_parts": None if parts is None else tuple(parts)})


@dataclass(frozen=True)
class Row:
    """One claim judged on one subject: a row of the ledger, in JSON types.

    `version` is that of the claim and `group` that of the subject; both are None where an old
    ledger does not know them.  `expectation` is `Expectation.data()`, None where the claim expects
    nothing of the group.  `margin` is None where there is no finite distance.  `controls` is None
    where controls were not run, and empty for a claim without any.  `outcome` is the recorded
    outcome beside the one that was found, None where none is recorded.  `holds` is None where
    nothing was judged.  `reason` is prose for a reader.  `remedy` is the command that obtains what
    is missing, empty if there is none.
    """

    claim: str
    version: int | None
    subject: str
    group: str | None
    kind: str
    published: Any
    measured: Any
    expectation: Mapping[str, Any] | None
    margin: float | None
    controls: tuple[ControlResult, ...] | None
    outcome: Mapping[str, Any] | None
    holds: bool | None
    status: str
    reason: str
    remedy: str
    seconds: float

    @property
    def replicates(self) -> bool:
        """Whether the finding holds here and no control was accepted."""
        return self.holds is True and self.status != "vacuous" and not self.control_accepted

    @property
    def control_accepted(self) -> bool:
        """Whether a control shows nothing: see `ControlResult`."""
        return any(control.accepted for control in self.controls or ())

    @property
    def controls_skipped(self) -> bool:
        """Whether the claim was judged here without its controls."""
        return self.controls is None and self.holds is not None

    @classmethod
    def for_exception(
        cls, claim: Claim, info: SubjectInfo, exc: BaseException, seconds: float
    ) -> Row:
        """The row of a claim that could not be judged: skip, unsupported or error."""
        reason = " ".join(str(exc).split())
        if isinstance(exc, FixtureMissing):
            remedy = exc.command if info.remedy in reason else info.remedy
            reason = reason if info.remedy in reason else f"{reason} ({info.remedy})"
            facts = {"status": "skip", "reason": reason, "remedy": remedy}
        elif isinstance(exc, Unsupported):
            facts = {"status": "unsupported", "reason": reason}
        else:
            facts = {"status": "error", "reason": f"{type(exc).__name__}: {reason}"}
        return _row(claim, info, measured=None, seconds=seconds, **facts)

    @classmethod
    def from_json(cls, entry: Any) -> Row:
        """The row in a ledger.  BadInput if keys or status are not those of a row."""
        _check_keys(cls, entry, "ledger row")
        if entry["status"] not in STATUSES:
            raise BadInput(f"unknown status {entry['status']!r} in the row of {entry['claim']!r}")
        controls = entry["controls"]
        if controls is not None:
            controls = tuple(ControlResult.from_json(control) for control in controls)
        return cls(**{**entry, "controls": controls})


def _check_keys(cls: type[Row | ControlResult], entry: Any, name: str) -> None:
    keys = [f.name for f in fields(cls)]
    if not isinstance(entry, Mapping) or list(entry) != keys:
        raise BadInput(f"not a {name}, expected the keys {keys}: {str(entry)[:80]}")


class ControlFailed(ReplicationError):
    """A control raised an exception.  That is never a rejection."""


# ---- judging -----------------------------------------------------------------------------------


def judge(
    claim: Claim,
    info: SubjectInfo,
    subject: Any,
    *,
    controls: bool = True,
    lesion: bool = False,
) -> Row:
    """Measure and judge `claim` on an opened subject, then on each of its controls.

    With `lesion` no control runs and the row is observed.  KeyError if the claim expects nothing of
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
    ran = (controls and not lesion) or not tried
    results = [_try(claim, control, expectation, subject) for control in tried if ran]
    objections = [objection for _, objection in results if objection]
    gates = info.gates and not lesion and not claim.not_asserted
    return _row(
        claim,
        info,
        measured=_json(measured, claim.parts),
        margin=_finite_or_none(verdict.margin),
        controls=tuple(result for result, _ in results) if ran else None,
        holds=verdict.holds,
        status=_status(verdict.holds, bool(objections), gates),
        reason=_reason(verdict, objections),
        seconds=time.perf_counter() - started,
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


def _status(holds: bool, accepted: bool, gates: bool) -> str:
    if not gates:
        return "observed"
    if not holds:
        return "fail"
    return "vacuous" if accepted else "pass"


def _reason(verdict: Verdict, objections: list[str]) -> str:
    """Why the claim does not hold, and which controls were accepted."""
    said = [] if verdict.holds else [verdict.why]
    said += [f"control accepted: {'; '.join(objections)}"] if objections else []
    return "; ".join(said)


def _finite_or_none(margin: float) -> float | None:
    return margin if math.isfinite(margin) else None


def _json(value: Any, parts: tuple[str, ...] | None) -> Any:
    """`value` for the ledger; named parts in the order in which the claim names them."""
    return to_json([value[name] for name in parts] if parts else value)


def _row(claim: Claim, info: SubjectInfo, *, measured: Any, **judged: Any) -> Row:
    expectation = claim.expectation_of(info.group)
    facts: dict[str, Any] = {
        **dict.fromkeys(("margin", "controls", "outcome", "holds")),
        **dict.fromkeys(("reason", "remedy"), ""),
        **judged,
    }
    return Row(
        claim=claim.id,
        version=claim.version,
        subject=info.name,
        group=info.group,
        kind=info.kind,
        published=to_json(claim.published),
        measured=measured,
        expectation=expectation.data() if expectation is not None else None,
        **facts,
    )
