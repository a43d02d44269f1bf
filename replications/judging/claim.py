"""What a claim is: one finding that can fail.

A claim is a sentence, its source, the published value, an expectation per group of subjects, and
controls on which the same expectation must be rejected.  `judge` judges it.
Standard library only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from replications.judging.control import Control, Measure, instead, on
from replications.judging.expectation import Expectation
from replications.judging.values import number

__all__ = [
    "EVERY_GROUP",
    "KINDS",
    "Claim",
    "Control",
    "Kind",
    "Measure",
    "Source",
    "SubjectInfo",
    "claim",
    "instead",
    "on",
]

Kind = Literal["original", "retrained", "toy", "construction"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""The kinds of subject: published weights, the recipe followed again, a stand-in trained here, and
weights written by hand."""
EVERY_GROUP = "*"
"""The key of an expectation that a claim has of every group of subjects."""

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
    """One model that a system is measured on: what is known before anything is opened.

    `name` is unique in its system ("retrained/seed3"); `group` is the key of `Claim.expect`
    ("retrained").  Only a subject that `gates` can fail a run by not meeting an expectation.
    `remedy` is the command that makes the subject available where a file is missing.  `further` is
    said of a model beside others of its group, or of one that tests the measurements more than the
    finding: the costly claims leave it out of a run that is not `--thorough`.
    """

    system: str
    name: str
    group: str
    kind: Kind
    gates: bool
    fixtures: tuple[str, ...]
    remedy: str = ""
    further: bool = False


@dataclass(frozen=True)
class Claim:
    """One finding that can fail.  `id` is "system/slug".

    `expect` maps a group of subjects, or EVERY_GROUP, to an expectation.  `derived` says how
    `published` follows from numbers that the document prints; it is empty where the document prints
    it.  `not_asserted` says why no subject is asserted to show the finding, so that every row is
    compared with its recorded outcome only; it is empty for a claim that is asserted of the
    subjects that gate.  `no_lesion` says why no lesion can turn the claim red; it is empty where
    some lesion does.  `asserted_of` names groups whose subjects do not gate, of which this claim is
    asserted all the same.  `version` grows when the measurement of the claim changes its meaning.
    `costly` is said of one that takes a quarter of a second a model or more.
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
    not_asserted: str
    measure: Measure = field(repr=False)
    derived: str = ""
    no_lesion: str = ""
    asserted_of: tuple[str, ...] = ()
    version: int = 1
    costly: bool = False

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise ValueError(f"claim {self.id!r}: {problem}")

    def expectation_of(self, group: str) -> Expectation | None:
        """What is expected of the subjects of a group; None if the claim is not about them."""
        return self.expect.get(group, self.expect.get(EVERY_GROUP))

    def gates(self, info: SubjectInfo) -> bool:
        """Whether this subject can fail a run with this claim, unless it is `not_asserted`."""
        return info.gates or info.group in self.asserted_of

    def leaves_out(self, info: SubjectInfo) -> bool:
        """Whether only a thorough run measures the claim on this subject."""
        return self.costly and info.further

    def asserts(self, info: SubjectInfo) -> bool:
        """Whether a run fails if this subject does not meet the expectation."""
        return self.gates(info) and not self.not_asserted

    def unknown_groups(self, known: Iterable[str]) -> list[str]:
        """The groups of `expect` that are not among the `known` ones, sorted."""
        return sorted(set(self.expect) - {EVERY_GROUP, *known})

    def controls_on(self, group: str) -> tuple[Control, ...]:
        """The controls that run on the subjects of a group."""
        return tuple(c for c in self.controls if getattr(c, "only", "") in ("", group))

    @property
    def system(self) -> str:
        """The part of the id before the slash."""
        return self.id.split("/")[0]

    @property
    def parts(self) -> tuple[str, ...] | None:
        """The names of the measured parts; None if the value has no named parts."""
        return next(iter(self.expect.values())).names


# ---- what is refused ---------------------------------------------------------------------------


def _problems(claim: Claim) -> list[str]:
    """What is wrong with a claim, one sentence each."""
    checks = {**_form(claim), **_expectations(claim), **_controls(claim)}
    return [problem for problem, fine in checks.items() if not fine]


def _form(claim: Claim) -> dict[str, bool]:
    return {
        "id must be 'system/slug'": bool(_ID.fullmatch(claim.id)),
        "says must be one sentence ending with '.'": _is_sentence(claim.says),
        "source must be a Source": isinstance(claim.source, Source),
        "tier must be 1 or 2": claim.tier in (1, 2),
        "version must be a whole number, at least 1": type(claim.version) is int
        and claim.version >= 1,
        "published must be a number, a list of numbers, a string or None": _publishable(
            claim.published
        ),
        "derived says how published was derived, so published must be given": not claim.derived
        or claim.published is not None,
    }


def _expectations(claim: Claim) -> dict[str, bool]:
    expectations = list(claim.expect.values())
    all_are = all(isinstance(e, Expectation) for e in expectations)
    return {
        "expect is empty": bool(expectations),
        "expect must be an expectation, or map each group to one": all_are,
        "asserted_of names a group that is not expected": {*claim.asserted_of} <= {*claim.expect},
        "asserted_of and not_asserted exclude each other": not (
            claim.asserted_of and claim.not_asserted
        ),
        "parts have different names in different groups": not all_are
        or len({e.names for e in expectations}) <= 1,
    }


def _controls(claim: Claim) -> dict[str, bool]:
    controls = claim.controls
    groups = {getattr(c, "only", "") for c in controls} - {""}
    every_group = EVERY_GROUP in claim.expect
    return {
        "control must be one Control or a tuple of them": all(
            isinstance(c, Control) for c in controls
        ),
        "give exactly one of control= and no_control=": bool(controls) != bool(claim.no_control),
        "a control is for a group that is not expected": every_group or groups <= {*claim.expect},
        "a group has no control": bool(claim.no_control)
        or all(claim.controls_on(group) for group in claim.expect),
        "two controls have one name": len({getattr(c, "name", c) for c in controls})
        == len(controls),
    }


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


# ---- writing one -------------------------------------------------------------------------------


def claim(
    id: str,
    *,
    says: str,
    source: Source,
    expect: Expectation | Mapping[str, Expectation],
    tier: int = 1,
    published: Any = None,
    control: Control | tuple[Control, ...] | None = None,
    no_control: str = "",
    note: str = "",
    derived: str = "",
    not_asserted: str = "",
    no_lesion: str = "",
    asserted_of: tuple[str, ...] = (),
    version: int = 1,
    costly: bool = False,
) -> Callable[[Measure], Measure]:
    """Make the decorated measurement a claim; it is kept in the attribute `.claim`.

    `expect` is one expectation of every subject, or a mapping from groups of subjects to
    expectations.  Every control must be rejected.  A claim that nothing can falsify says why in
    `no_control`.  A claim that is asserted of no subject, because the finding is known not to hold
    everywhere or is too vague, says why in `not_asserted`; its rows are compared with their
    recorded outcomes.  `published=None` means that the finding goes beyond the document, and
    `derived` says how `published` follows from what the document prints, where it does not print
    the number itself.  A tier-1 claim that no lesion turns red says why in `no_lesion`.
    `asserted_of` names groups of subjects trained here on all of which the finding holds: these
    rows can fail a run too.  A `costly` claim is measured on the `further` models of a group in a
    thorough run only.  ValueError if the claim is malformed.
    """
    controls = control if isinstance(control, tuple) else () if control is None else (control,)
    expected = dict(expect) if isinstance(expect, Mapping) else {EVERY_GROUP: expect}

    def decorate(measure: Measure) -> Measure:
        measure.claim = Claim(  # type: ignore[attr-defined]
            id=id,
            says=says,
            source=source,
            tier=tier,
            published=published,
            expect=expected,
            controls=controls,
            no_control=no_control,
            note=note,
            derived=derived,
            not_asserted=not_asserted,
            no_lesion=no_lesion,
            asserted_of=asserted_of,
            measure=measure,
            version=version,
            costly=costly,
        )
        return measure

    return decorate
