"""What a claim is: one finding that can fail.

A claim is a sentence, its source, the published value, an expectation per group of subjects, and a
control: something on which the same expectation must be rejected.  `judge` judges it.
Standard library only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from replications.judging.expectation import Expectation, Parts
from replications.judging.values import number

Measure = Callable[[Any], Any]
Kind = Literal["original", "retrained", "toy"]

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
