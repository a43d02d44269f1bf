"""What moved between two ledgers, row by row.  Standard library only.

A row means the same in both ledgers only if the claim has the same expectation and the subjects
were read from the same files.  Ledgers that differ in these are refused as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from replications.errors import BadInput
from replications.judging.ledger import Ledger, expectations
from replications.judging.noise import Floor, largest_change, within
from replications.judging.row import Row

CHANGES = ("same", "noise", "drift", "flipped", "accepted", "unsupported", "error", "skip")
JUDGED_BY = ("gating", "published")
"""What a claim's entry says, besides its expectations, that decides what its rows mean."""


@dataclass(frozen=True)
class Change:
    """One claim on one subject, before and after.

    `kind` is one of CHANGES.  `size` is the largest change of a number in the measured value, None
    where the values are not comparable numbers.  `gates` says whether the row can fail a run.
    """

    old: Row
    new: Row
    kind: str
    size: float | None
    gates: bool

    @property
    def fails(self) -> bool:
        """Whether a gating row flipped or can no longer be judged."""
        return self.gates and self.kind in ("flipped", "error") and self.old.status != "error"


def compare(old: Ledger, new: Ledger, floor: Floor | None = None) -> tuple[Change, ...]:
    """The change of every claim × subject, in claim order.

    BadInput if the ledgers cannot be compared.
    """
    reasons = objections(old, new)
    if reasons:
        raise BadInput(f"these ledgers cannot be compared: {'; '.join(reasons)}")
    others = {(row.claim, row.subject): row for row in new.rows}
    floor = floor or Floor()
    changes = []
    for row in old.rows:
        other = others[row.claim, row.subject]
        entry = old.claims[row.claim]
        gates = row.subject in entry["gating"] and not entry["not_asserted"]
        kind = _kind(row, other, floor)
        changes.append(
            Change(row, other, kind, largest_change(row.measured, other.measured), gates)
        )
    return tuple(changes)


def objections(old: Ledger, new: Ledger) -> list[str]:
    """Why two ledgers cannot be compared, each in one clause; empty if they can."""
    found = []
    both = old.fixtures.keys() & new.fixtures.keys()
    files = [name for name in sorted(both) if old.fixtures[name] != new.fixtures[name]]
    if files:
        found.append(f"other content of {_some(files)}")
    for one, two, word in ((old, new, "second"), (new, old, "first")):
        claims = [name for name in one.claims if name not in two.claims]
        if claims:
            found.append(f"claims that the {word} lacks: {_some(claims)}")
        rows = {(r.claim, r.subject) for r in two.rows}
        lost = [f"{r.claim} on {r.subject}" for r in one.rows if (r.claim, r.subject) not in rows]
        lost = [] if claims else lost
        if lost:
            found.append(f"rows that the {word} lacks: {_some(lost)} (run both on all subjects)")
    changed = [
        f"{name} ({', '.join(keys)})"
        for name in old.claims.keys() & new.claims.keys()
        if (keys := _differing(old.claims[name], new.claims[name]))
    ]
    if changed:
        found.append(f"claims that were changed: {_some(sorted(changed))}")
    return found + _one_sided_skips(old, new)


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs in two descriptions of a claim, as far as it decides what its rows mean.

    Expectations are compared by their words, which ledgers of every schema have.  The names of
    their parts, and the prose that says why a claim does not gate, may change.
    """
    found = [key for key in JUDGED_BY if old[key] != new[key]]
    if bool(old["not_asserted"]) != bool(new["not_asserted"]):
        found.append("not_asserted")
    if None not in (old["version"], new["version"]) and old["version"] != new["version"]:
        found.append("version")
    words = [_words(entry) for entry in (old, new)]
    return found if words[0] == words[1] else ["expectation", *found]


def _words(entry: Mapping[str, Any]) -> dict[str, str]:
    """Group → the words of its expectation, with numbers in place of the names of its parts."""
    numbers = {name: f"#{i}" for i, name in enumerate(entry["parts"] or ())}
    named = re.compile(r"\b(" + "|".join(map(re.escape, numbers)) + r")\b")
    return {
        group: named.sub(lambda found: numbers[found[0]], text) if numbers else text
        for group, text, _ in expectations(entry)
    }


def _one_sided_skips(old: Ledger, new: Ledger) -> list[str]:
    """Rows whose files only one side could read, for they say nothing about versions."""
    sides = []
    for ledger in (old, new):
        sides.append({(r.claim, r.subject) for r in ledger.rows if r.status == "skip"})
    rows = sorted(f"{claim} on {subject}" for claim, subject in sides[0] ^ sides[1])
    return [f"rows that only one of them skipped: {_some(rows)} (fetch the files)"] if rows else []


def _some(names: list[str], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _kind(old: Row, new: Row, floor: Floor) -> str:
    # A row without a recorded outcome is an error too, and yet it was judged.
    unjudged = [row.status for row in (old, new) if row.holds is None]
    for status in ("error", "unsupported", "skip"):
        if status in unjudged:
            return status
    if (old.holds, old.control_accepted) != (new.holds, new.control_accepted):
        return "flipped"
    if old.measured == new.measured:
        return "same"
    return "noise" if within(old.measured, new.measured, floor) else "drift"


def counts(changes: Iterable[Change]) -> dict[str, int]:
    """The number of rows for each of CHANGES, zeros included."""
    found = dict.fromkeys(CHANGES, 0)
    for change in changes:
        found[change.kind] += 1
    return found
