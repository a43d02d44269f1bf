"""Whether claims and controls can go either way: where each held and failed, in how many worlds.

A world is whatever a claim was judged on: a subject, an untrained model, a lesion.  A claim that
never failed, and a control that was never accepted, have not been shown to say anything.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from replications.errors import BadInput
from replications.judging.ledger import Ledger
from replications.judging.row import ControlResult, Row

LESION = "~"
"""What stands in the name of a lesioned subject, between the subject and the lesion."""


@dataclass(frozen=True)
class ControlAudit:
    """One control of a claim over all worlds.

    `accepted` names the worlds in which it was accepted with a finite value, and `ran` is the
    number of all it ran in.  `nearest` is its largest margin, None where no margin is finite.
    `constant` says that its value was the same in all of several worlds.  `accepted_if` is what the
    claim says of such a world.
    """

    name: str
    ran: int
    accepted: tuple[str, ...]
    nearest: float | None
    constant: bool
    accepted_if: str

    @property
    def problem(self) -> str:
        """Why the control may be rejected by construction, "" if nothing suggests that."""
        if self.accepted or self.accepted_if or not self.ran:
            return ""
        always = ", and its value is the same in all" if self.constant else ""
        return f"control {self.name!r} was accepted in none of {self.ran} worlds{always}"


@dataclass(frozen=True)
class ClaimAudit:
    """One claim over all worlds; worlds are named by their subjects.

    `uncontrolled` names the parts of its expectation that no control rejects where it is judged to
    hold.  `red` names the lesions that turn it red, and `lesions` is the number of lesions of
    subjects on which it holds.
    """

    id: str
    entry: Mapping[str, Any]
    held: tuple[str, ...]
    failed: tuple[str, ...]
    controls: tuple[ControlAudit, ...]
    uncontrolled: tuple[str, ...]
    red: tuple[str, ...]
    lesions: int

    @property
    def reached(self) -> bool:
        """Whether the claim was judged in any world."""
        return bool(self.held or self.failed)

    @property
    def problems(self) -> list[str]:
        """What is left to be shown of a claim that was judged, one clause each."""
        said = [control.problem for control in self.controls if control.problem]
        if self.uncontrolled:
            said.append(f"no control rejects {', '.join(self.uncontrolled)}")
        first = self.entry["tier"] == 1
        if self.reached and first and not self.red and not self.entry["no_lesion"]:
            of = (
                f"none of {self.lesions} lesions"
                if self.lesions
                else "no lesion, for there is none"
            )
            said.append(f"it is of tier 1, and is turned red by {of}")
        return said


def audit(ledgers: Sequence[Ledger]) -> tuple[ClaimAudit, ...]:
    """The audit of every claim of several ledgers, in the order in which they describe them.

    What a claim says of its controls is taken from the first ledger.  BadInput if two ledgers
    describe a claim differently.
    """
    entries: dict[str, Mapping[str, Any]] = {}
    for ledger in ledgers:
        for name, entry in ledger.claims.items():
            known = entries.setdefault(name, entry)
            if _decisive(known) != _decisive(entry):
                raise BadInput(f"the ledgers describe {name!r} differently: make them again, both")
    rows: dict[str, dict[str, Row]] = defaultdict(dict)
    for ledger in ledgers:
        for row in ledger.rows:
            if row.holds is not None:
                rows[row.claim][row.subject] = row
    return tuple(_claim(name, entry, rows[name]) for name, entry in entries.items())


def _decisive(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """What decides what the rows of a claim mean: not the prose about it."""
    controls = [(control["name"], control["only"]) for control in entry["controls"]]
    return entry["version"], entry["expect"], controls


def _claim(name: str, entry: Mapping[str, Any], rows: Mapping[str, Row]) -> ClaimAudit:
    damaged = [r for r in rows.values() if _holds_undamaged(r.subject, rows)]
    whole = [r for r in rows.values() if LESION not in r.subject]
    return ClaimAudit(
        id=name,
        entry=entry,
        held=tuple(subject for subject, row in rows.items() if row.holds),
        failed=tuple(subject for subject, row in rows.items() if not row.holds),
        controls=tuple(_control(control, rows) for control in entry["controls"]),
        uncontrolled=tuple(
            dict.fromkeys(
                part
                for row in whole
                if row.holds and row.subject in entry["gating"]
                for part in row.uncontrolled or ()
            )
        ),
        red=tuple(row.subject for row in damaged if not row.holds),
        lesions=len(damaged),
    )


def _holds_undamaged(subject: str, rows: Mapping[str, Row]) -> bool:
    """Whether this is a lesion of a subject on which the claim holds."""
    base, lesion, _ = subject.partition(LESION)
    return bool(lesion) and base in rows and rows[base].holds is True


def _control(control: Mapping[str, str], rows: Mapping[str, Row]) -> ControlAudit:
    results = {
        subject: result
        for subject, row in rows.items()
        for result in row.controls or ()
        if result.name == control["name"]
    }
    margins = [r.margin for r in results.values() if r.margin is not None]
    values = [r.measured for r in results.values()]
    return ControlAudit(
        name=control["name"],
        ran=len(results),
        accepted=tuple(s for s, r in results.items() if r.accepted and _is_finite(r)),
        nearest=max(margins, default=None),
        constant=len(values) > 1 and all(value == values[0] for value in values),
        accepted_if=control["accepted_if"],
    )


def _is_finite(result: ControlResult) -> bool:
    """Whether a control has a finite value; without one it shows nothing, and is not accepted."""
    text = json.dumps(result.measured)
    return not any(f'"{word}"' in text for word in ("nan", "inf", "-inf"))
