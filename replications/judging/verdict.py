"""Judging one claim on one subject, which gives a row of the ledger."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from replications.errors import BadInput, FixtureMissing, ReplicationError, Unsupported
from replications.judging.claim import Claim, Control, SubjectInfo
from replications.judging.expectation import Expectation
from replications.judging.values import finite, to_json

STATUSES = ("pass", "fail", "observed", "vacuous", "error", "skip", "unsupported")
GATING_FAILURES = ("fail", "vacuous", "error")
ACCEPTED = "control accepted: "
EXCUSED = "; not in all: "


@dataclass(frozen=True)
class Row:
    """One claim judged on one subject: a row of the ledger, in JSON types.

    `holds` is None when nothing was judged; `control_measured` is one value for one control, a
    list for several, None when no control ran; `margin` is None where there is no finite distance.
    """

    claim: str
    subject: str
    kind: str
    published: Any
    measured: Any
    expectation: str
    margin: float | None
    control: str
    control_measured: Any
    holds: bool | None
    status: str
    reason: str
    seconds: float

    @property
    def replicates(self) -> bool:
        """Whether the finding holds here and its control was not accepted."""
        return self.holds is True and self.status != "vacuous" and not self.control_accepted

    @property
    def control_accepted(self) -> bool:
        """Whether the expectation also held, or could not be judged, on a control."""
        return ACCEPTED in self.reason

    @property
    def controls_skipped(self) -> bool:
        """Whether the claim has a control that was not run."""
        return bool(self.control) and self.control_measured is None and self.holds is not None

    @classmethod
    def for_exception(
        cls, claim: Claim, info: SubjectInfo, exc: BaseException, seconds: float
    ) -> Row:
        """The row of a claim that could not be judged: skip, unsupported or error."""
        status = "error"
        if isinstance(exc, FixtureMissing):
            status = "skip"
        elif isinstance(exc, Unsupported):
            status = "unsupported"
        reason = " ".join(str(exc).split())
        if status == "error":
            reason = f"{type(exc).__name__}: {reason}"
        elif status == "skip" and info.remedy and info.remedy not in reason:
            reason = f"{reason} ({info.remedy})"
        return _row(claim, info, None, status=status, reason=reason, seconds=seconds)

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Row:
        """The row a ledger holds.  BadInput if keys or status are not those of a row."""
        names = [f.name for f in fields(cls)]
        if not isinstance(entry, Mapping) or list(entry) != names:
            raise BadInput(f"not a ledger row, expected the keys {names}: {str(entry)[:80]}")
        if entry["status"] not in STATUSES:
            raise BadInput(f"unknown status {entry['status']!r} in the row of {entry['claim']!r}")
        return cls(**entry)


class ControlFailed(ReplicationError):
    """A control raised.  That is never a rejection."""


def judge(
    claim: Claim,
    info: SubjectInfo,
    subject: Any,
    *,
    controls: bool = True,
    lesion: bool = False,
) -> Row:
    """Measure and judge `claim` on an opened subject, then on each of its controls.

    With `lesion` no control runs and the row is observed.  What the measurement raises comes
    through unchanged; what a control raises comes as `ControlFailed`.
    """
    started = time.perf_counter()
    expectation = claim.expect[info.group]
    measured = claim.measure(subject)
    verdict = expectation.judge(measured)
    values, accepted = [], []
    if controls and not lesion:
        for control in claim.controls_on(info.group):
            value, objection = _try_control(claim, control, expectation, subject)
            values.append(value)
            accepted += [objection] if objection else []
    gates = info.gates and not lesion and not claim.observe
    excuse = claim.because_not_all if gates else ""
    status, reason = _status(verdict.holds, verdict.why, accepted, gates, excuse)
    return _row(
        claim,
        info,
        _json(measured, claim.parts),
        margin=verdict.margin if math.isfinite(verdict.margin) else None,
        control_measured=values[0] if len(values) == 1 else values or None,
        holds=verdict.holds,
        status=status,
        reason=reason,
        seconds=time.perf_counter() - started,
    )


def _try_control(
    claim: Claim, control: Control, expectation: Expectation, subject: Any
) -> tuple[Any, str]:
    """The value of a control and, unless it was rejected, the objection to it."""
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
    return _json(value, claim.parts), objection


def _status(
    holds: bool, why: str, accepted: list[str], gates: bool, excuse: str
) -> tuple[str, str]:
    objections = [ACCEPTED + "; ".join(accepted)] if accepted else []
    if not holds and excuse and not objections:  # the whole run counts how many hold
        return "observed", why + EXCUSED + excuse
    if not holds:  # a control that was accepted is told all the same
        return ("fail" if gates else "observed"), "; ".join([why, *objections])
    if objections:
        return ("vacuous" if gates else "observed"), objections[0]
    return ("pass" if gates else "observed"), ""


def _json(value: Any, parts: tuple[str, ...] | None) -> Any:
    """`value` for the ledger; named parts in the order the claim names them."""
    return to_json([value[name] for name in parts] if parts else value)


def _row(claim: Claim, info: SubjectInfo, measured: Any, **judged: Any) -> Row:
    expectation = claim.expect.get(info.group)
    facts: dict[str, Any] = {"margin": None, "control_measured": None, "holds": None, **judged}
    return Row(
        claim=claim.id,
        subject=info.name,
        kind=info.kind,
        published=to_json(claim.published),
        measured=measured,
        expectation=str(expectation) if expectation is not None else "",
        control="; ".join(control.name for control in claim.controls_on(info.group)),
        **facts,
    )
