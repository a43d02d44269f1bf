"""What a claim is, and how one is judged on one subject.

A claim is a sentence, its source, the published value, an expectation per group of subjects, and a
control: something on which the same expectation must be rejected.  Judging gives a `Row`.
Standard library only.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from replications.errors import BadInput, FixtureMissing, ReplicationError, Unsupported
from replications.expect import Expectation, Parts
from replications.values import finite, number, to_json

Measure = Callable[[Any], Any]
Kind = Literal["original", "retrained", "toy"]

STATUSES = ("pass", "fail", "observed", "vacuous", "error", "skip", "unsupported")
GATING_FAILURES = ("fail", "vacuous", "error")
ACCEPTED = "control accepted: "
EXCUSED = "; not in all: "
_ID = re.compile(r"[a-z][a-z0-9_]*/[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class Source:
    """Where a finding was published.  `SOURCE / "3 > Title"` names a section of it."""

    document: str
    url: str = ""
    section: str = ""

    def __truediv__(self, section: str) -> Source:
        return replace(self, section=f"{self.section} > {section}" if self.section else section)


@dataclass(frozen=True)
class SubjectInfo:
    """One model a system is measured on: what is known before anything is opened.

    `name` is unique in its system ("retrained/seed3"), `group` is the key of `Claim.expect`
    ("retrained").  Only a subject that `gates` can fail a run by failing an expectation.
    """

    system: str
    name: str
    group: str
    kind: Kind
    gates: bool
    fixtures: tuple[str, ...]
    remedy: str = ""


@dataclass(frozen=True)
class Control:
    """Something on which the expectation of a claim must be rejected.

    `only` names the one group of subjects it is for; empty for all.
    """

    name: str
    measure: Callable[[Any, Measure], Any]
    only: str = ""


def on(name: str, transform: Callable[[Any], Any], *, only: str = "") -> Control:
    """The claim's own measurement, on `transform(subject)`."""
    return Control(name, lambda subject, measure: measure(transform(subject)), only)


def instead(name: str, measure: Measure, *, only: str = "") -> Control:
    """Another measurement, on the same subject."""
    return Control(name, lambda subject, _: measure(subject), only)


@dataclass(frozen=True)
class Claim:
    """One finding that can fail.  `id` is "system/slug"; `expect` maps group → expectation.

    `observe` says why a claim is recorded but does not gate; empty for one that does.
    `holds_in` is how many of the subjects that gate must hold, None for all of them;
    `because_not_all` is the reason for fewer.
    """

    id: str
    says: str
    source: Source
    tier: int
    published: Any
    expect: Mapping[str, Expectation]
    controls: tuple[Control, ...]
    no_control: str
    note: str
    observe: str
    measure: Measure = field(repr=False)
    holds_in: int | None = None
    because_not_all: str = ""

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise ValueError(f"claim {self.id!r}: {problem}")

    def controls_on(self, group: str) -> tuple[Control, ...]:
        """The controls that run on the subjects of a group."""
        return tuple(c for c in self.controls if getattr(c, "only", "") in ("", group))

    @property
    def system(self) -> str:
        """The part of the id before the slash."""
        return self.id.split("/")[0]

    @property
    def parts(self) -> tuple[str, ...] | None:
        """The names of the measured parts, if the value has named parts."""
        first = next(iter(self.expect.values()))
        return first.names if isinstance(first, Parts) else None


def _problems(claim: Claim) -> list[str]:
    expectations = list(claim.expect.values())
    controls = claim.controls
    checks = {
        "id must be 'system/slug'": bool(_ID.fullmatch(claim.id)),
        "says must be one sentence ending with '.'": _is_sentence(claim.says),
        "source must be a Source": isinstance(claim.source, Source),
        "tier must be 1 or 2": claim.tier in (1, 2),
        "published must be a number, a list of numbers, a string or None": _publishable(
            claim.published
        ),
        "expect is empty": bool(expectations),
        "expect must map a group to an expectation": all(
            isinstance(e, Expectation) for e in expectations
        ),
        "parts have different names in different groups": len(
            {e.names if isinstance(e, Parts) else None for e in expectations}
        )
        <= 1,
        "control must be one Control or a tuple of them": all(
            isinstance(c, Control) for c in controls
        ),
        "give exactly one of control= and no_control=": bool(controls) != bool(claim.no_control),
        "a control is for a group that is not expected": {getattr(c, "only", "") for c in controls}
        <= {"", *claim.expect},
        "a group has no control": bool(claim.no_control)
        or all(claim.controls_on(group) for group in claim.expect),
        "two controls have one name": len({getattr(c, "name", c) for c in controls})
        == len(controls),
        "holds_in must be a number of subjects, at least 1": claim.holds_in is None
        or (isinstance(claim.holds_in, int) and claim.holds_in >= 1),
        "give holds_in= and because_not_all= together": (claim.holds_in is None)
        != bool(claim.because_not_all),
        "observe= never gates, so holds_in= means nothing": not (
            claim.observe and claim.holds_in is not None
        ),
    }
    return [problem for problem, fine in checks.items() if not fine]


def _is_sentence(says: str) -> bool:
    return says == says.strip() and says.endswith(".") and "\n" not in says and len(says) > 1


def _publishable(published: Any) -> bool:
    if published is None or isinstance(published, str):
        return published != ""
    values = published if isinstance(published, (list, tuple)) else [published]
    try:
        return bool(values) and all(math.isfinite(number(v)) for v in values)
    except TypeError:
        return False


def claim(
    id: str,
    *,
    says: str,
    source: Source,
    tier: int,
    published: Any = None,
    expect: Mapping[str, Expectation],
    control: Control | tuple[Control, ...] | None = None,
    no_control: str = "",
    note: str = "",
    observe: str = "",
    holds_in: int | None = None,
    because_not_all: str = "",
) -> Callable[[Measure], Measure]:
    """Make the decorated measurement a claim, kept as its attribute `.claim`.

    Every control must be rejected.  A claim that nothing can falsify says why in `no_control`; one
    that is only recorded, because the finding is known not to hold or too vague, in `observe`.  One
    that need not hold on every subject that gates says on how many in `holds_in`, and why not on
    all in `because_not_all`: where it does not hold it is observed, and the run counts at its end.
    `published=None` means that the finding goes beyond the document.  ValueError if malformed.
    """
    controls = control if isinstance(control, tuple) else () if control is None else (control,)

    def decorate(measure: Measure) -> Measure:
        made = Claim(
            id,
            says,
            source,
            tier,
            published,
            dict(expect),
            controls,
            no_control,
            note,
            observe,
            measure,
            holds_in,
            because_not_all,
        )
        measure.claim = made  # type: ignore[attr-defined]
        return measure

    return decorate


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
