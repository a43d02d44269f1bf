"""A row of the ledger: what was found of one claim on one subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from replications.errors import BadInput, FixtureLost, FixtureMissing, Unsound, Unsupported
from replications.judging.claim import Claim, SubjectInfo
from replications.judging.outcome import Outcome
from replications.judging.values import to_json

STATUSES = (
    *("pass", "replicates", "does not replicate"),
    *("fail", "changed", "vacuous", "error", "skip", "unsupported"),
)
FAILURES = ("fail", "changed", "vacuous", "error")
"""The statuses that fail a run."""


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
    where controls were not run, and empty for a claim without any.  `outcome` is what
    was recorded of this claim and subject, None where nothing is: see `outcome.Outcome`.
    `uncontrolled` names the parts of a compound that no control rejected; it is empty where all
    were, and None where the controls were not run.  `holds` is None where
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
    uncontrolled: tuple[str, ...] | None
    outcome: Mapping[str, Any] | None
    holds: bool | None
    status: str
    reason: str
    remedy: str
    seconds: float

    @property
    def key(self) -> tuple[str, str]:
        """Its claim and its subject, by which a row is known."""
        return self.claim, self.subject

    @property
    def replicates(self) -> bool:
        """Whether the finding holds here, no control was accepted and every part was controlled."""
        return self.holds is True and not self.control_accepted and not self.uncontrolled

    @property
    def control_accepted(self) -> bool:
        """Whether a control shows nothing: see `ControlResult`."""
        return any(control.accepted for control in self.controls or ())

    @property
    def found(self) -> Outcome | None:
        """What was found here, to be recorded; None where nothing was judged."""
        if self.holds is None:
            return None
        return Outcome(
            claim=self.claim,
            subject=self.subject,
            version=self.version or 1,
            holds=self.holds,
            measured=self.measured,
            accepted=tuple(sorted(c.name for c in self.controls or () if c.accepted)),
            uncontrolled=tuple(sorted(self.uncontrolled or ())),
            reason="",
        )

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
        if isinstance(exc, FixtureMissing) and not isinstance(exc, FixtureLost):
            remedy = exc.command if info.remedy in reason else info.remedy
            reason = reason if info.remedy in reason else f"{reason} ({info.remedy})"
            facts = {"status": "skip", "reason": reason, "remedy": remedy}
        elif isinstance(exc, Unsupported) and not isinstance(exc, Unsound):
            facts = {"status": "unsupported", "reason": reason}
        else:
            facts = {"status": "error", "reason": f"{type(exc).__name__}: {reason}"}
        return row_of(claim, info, measured=None, seconds=seconds, **facts)

    @classmethod
    def from_json(cls, entry: Any) -> Row:
        """The row in a ledger.  BadInput if keys or status are not those of a row."""
        _check_keys(cls, entry, "ledger row")
        if entry["status"] not in STATUSES:
            raise BadInput(f"unknown status {entry['status']!r} in the row of {entry['claim']!r}")
        controls = entry["controls"]
        if controls is not None:
            controls = tuple(ControlResult.from_json(control) for control in controls)
        parts = entry["uncontrolled"]
        parts = None if parts is None else tuple(parts)
        return cls(**{**entry, "controls": controls, "uncontrolled": parts})


def _check_keys(cls: type[Row | ControlResult], entry: Any, name: str) -> None:
    keys = [f.name for f in fields(cls)]
    if not isinstance(entry, Mapping) or list(entry) != keys:
        raise BadInput(f"not a {name}, expected the keys {keys}: {str(entry)[:80]}")


def row_of(claim: Claim, info: SubjectInfo, *, measured: Any, **judged: Any) -> Row:
    """A row with what is known of the claim and the subject; `judged` gives the other fields."""
    expectation = claim.expectation_of(info.group)
    facts: dict[str, Any] = {
        **dict.fromkeys(("margin", "controls", "uncontrolled", "outcome", "holds")),
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
