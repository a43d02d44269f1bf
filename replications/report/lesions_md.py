"""The lesion table: which claims turn red when a part of the circuit is destroyed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from replications.judging.ledger import Ledger
from replications.judging.row import Row
from replications.report import board
from replications.report.markdown import table

ABOUT = """\
For each row, one part of an original subject was destroyed and its claims were judged again. A
claim turns red when it no longer holds. A tier-1 claim that no lesion turns red is suspect."""
HEADERS = ("lesion", "tier 1 red", "tier 2 red", "tier-1 claims turned red")


@dataclass(frozen=True)
class Lesion:
    """One damaged subject.  By tier: the claims that no longer hold, and the number judged."""

    subject: str
    red: Mapping[int, tuple[str, ...]]
    of: Mapping[int, int]

    def share(self, tier: int) -> str:
        """The number of claims of a tier that turned red: "3 of 40"."""
        return f"{len(self.red[tier])} of {self.of[tier]}"


@dataclass(frozen=True)
class Lesions:
    """The result of the lesions of a run.

    `survivors` are the tier-1 claims that no lesion turns red.  `unjudged` has one line for each
    row that could not be judged.  `broken` names the claims that were left out because they do not
    hold on the undamaged subject.
    """

    lesions: tuple[Lesion, ...]
    survivors: tuple[str, ...]
    unjudged: tuple[str, ...]
    broken: tuple[str, ...]


def judged(ledger: Ledger, lesions: Ledger, system: str | None = None) -> Lesions:
    """The lesions of one system, or of all systems.

    A claim that does not hold on the undamaged subject, according to `ledger`, is not counted.
    """
    names = [n for n, e in lesions.claims.items() if system in (None, e["system"])]
    broken = {r.claim for r in ledger.rows if r.holds is False and _gates(ledger, r)} & set(names)
    here = [r for r in lesions.rows if r.claim in names]
    rows = [r for r in here if r.holds is not None and r.claim not in broken]
    unjudged = [r for r in here if r.holds is None]
    tested, red = {r.claim for r in rows}, {r.claim for r in rows if not r.holds}
    first = [n for n in names if lesions.claims[n]["tier"] == 1 and n in tested]
    lines = [f"{r.status}: {board.subject_of(r)}: {r.reason}" for r in unjudged]
    return Lesions(
        tuple(_lesions(lesions, rows)),
        tuple(name for name in first if name not in red),
        tuple(dict.fromkeys(lines)),
        tuple(sorted(broken)),
    )


def _gates(ledger: Ledger, row: Row) -> bool:
    return row.subject in ledger.claims[row.claim]["gating"]


def _lesions(lesions: Ledger, rows: Sequence[Row]) -> list[Lesion]:
    tier = {name: entry["tier"] for name, entry in lesions.claims.items()}
    found = []
    for subject in sorted({board.subject_of(r) for r in rows}):
        here = [r for r in rows if board.subject_of(r) == subject]
        red = {
            t: tuple(r.claim for r in here if tier[r.claim] == t and not r.holds) for t in (1, 2)
        }
        of = {t: sum(tier[r.claim] == t for r in here) for t in (1, 2)}
        found.append(Lesion(subject, red, of))
    return found


# ---- in Markdown --------------------------------------------------------------------------------


def lesion_section(ledger: Ledger, lesions: Ledger) -> str:
    """The section of CLAIMS.md: the table, then the tier-1 claims that survive every lesion."""
    found = judged(ledger, lesions)
    said = [f"## Lesions\n\n{ABOUT}"]
    if found.lesions:
        said += [_table(found.lesions), _survivors(lesions, found.survivors)]
    if found.unjudged:
        said.append("Not judged:\n\n" + "\n".join(f"- {line}" for line in found.unjudged))
    if found.broken:
        names = ", ".join(f"`{name}`" for name in found.broken)
        said.append(f"Left out, as they do not hold on the undamaged subject: {names}.")
    return "\n\n".join(said)


def _table(lesions: Sequence[Lesion]) -> str:
    rows = []
    for lesion in lesions:
        names = ", ".join(f"`{name.split('/')[1]}`" for name in lesion.red[1])
        rows.append([lesion.subject, lesion.share(1), lesion.share(2), names or "none"])
    return table(HEADERS, rows)


def _survivors(lesions: Ledger, survivors: Sequence[str]) -> str:
    if not survivors:
        return "Every tier-1 claim is turned red by some lesion."
    lines = [_survivor(lesions, name) for name in survivors]
    return "Tier-1 claims that no lesion turns red:\n\n" + "\n".join(lines)


def _survivor(lesions: Ledger, name: str) -> str:
    entry = lesions.claims[name]
    note = f" Note: {entry['note']}" if entry["note"] else ""
    return f"- `{name}`: {entry['says']}{note}"
