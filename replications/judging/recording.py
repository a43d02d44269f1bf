"""From the rows of a ledger to the outcome files beside the claims."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from replications.errors import BadInput
from replications.judging import outcome
from replications.judging.ledger import SCHEMA, Ledger
from replications.judging.noise import multiple
from replications.judging.outcome import Outcome
from replications.judging.row import Row


@dataclass(frozen=True)
class FileChange:
    """What one outcome file will hold; `lines` says what is new in it or moved, one line each."""

    path: Path
    outcomes: tuple[Outcome, ...]
    lines: tuple[str, ...]
    new: int
    moved: int
    kept: int

    def write(self) -> None:
        """Write the file, unless nothing changed in it.  BadInput if that is not possible."""
        if not self.lines:
            return
        try:
            outcome.write(self.path, self.outcomes)
        except OSError as exc:
            raise BadInput(f"cannot write {self.path}: {exc.strerror or exc}") from exc


SAFETY = 10
"""A value may move by this many times what rounding was seen to move it."""


def changes(
    ledger: Ledger, root: Path, reason: str, again: Sequence[Ledger] = ()
) -> tuple[FileChange, ...]:
    """What recording a ledger changes, file by file.  Nothing is written.

    `again` are ledgers of the same claims in which only rounding differs, such as one made with
    other instructions of the processor.  A row whose value differs there by more than a tenth of
    the floor of noise gets a tolerance of ten times that difference.  BadInput if the reason is
    empty, or if a row or the whole ledger cannot be recorded.
    """
    if not reason.strip():
        raise BadInput("--reason is empty: say why these outcomes are new or have moved")
    _check(ledger)
    rows: dict[Path, list[Row]] = defaultdict(list)
    for row in ledger.rows:
        if row.holds is not None:
            rows[_file(ledger, row, root)].append(row)
    noise = _noise(ledger, again)
    return tuple(_change(path, found, reason.strip(), noise) for path, found in rows.items())


def _noise(ledger: Ledger, again: Sequence[Ledger]) -> dict[tuple[str, str], float]:
    """The tolerance of each row that needs more than the floor of noise, as a multiple of it."""
    values = {(row.claim, row.subject): row.measured for row in ledger.rows}
    noise: dict[tuple[str, str], float] = defaultdict(lambda: 1.0)
    for other in again:
        for row in other.rows:
            key = row.claim, row.subject
            if row.holds is not None and key in values:
                moved = SAFETY * multiple(values[key], row.measured, outcome.NOISE)
                noise[key] = max(noise[key], moved if math.isfinite(moved) else 1.0)
    return noise


def _check(ledger: Ledger) -> None:
    """Refuse what must not become a record."""
    if ledger.read_as != SCHEMA:
        raise BadInput("it is a ledger of an older schema: run the claims again, then record")
    if any("~" in row.subject for row in ledger.rows):
        raise BadInput("it is a ledger of lesions; outcomes are recorded of undamaged subjects")
    for row in ledger.rows:
        where = f"{row.claim} on {row.subject}"
        if row.controls_skipped:
            raise BadInput(f"{where} was judged without its controls: run it with them")
        if row.status == "error" and row.holds is None:
            raise BadInput(f"{where} is an error: {row.reason}")
        if row.status in ("fail", "vacuous"):
            raise BadInput(
                f"{where} is asserted, and the row is {row.status}: mend it, or let the claim say "
                f"why it is not_asserted ({row.reason})"
            )


def _file(ledger: Ledger, row: Row, root: Path) -> Path:
    module = ledger.claims[row.claim]["file"]
    path = root / (module or "")
    if module is None or not path.is_file():
        raise BadInput(
            f"no file {path} with the claim {row.claim!r}: give --root, where it was run"
        )
    return outcome.beside(path)


def _change(
    path: Path, rows: list[Row], reason: str, noise: Mapping[tuple[str, str], float]
) -> FileChange:
    recorded = outcome.read(path)
    said, new, moved = [], 0, 0
    for row in rows:
        found = row.found
        assert found is not None
        before = recorded.get(found.key)
        seen = round(noise[found.key], 1)
        known = before.noise if before else 1.0
        found = replace(found, reason=reason, noise=max(seen, known))
        departs = before.departures(found) if before else ("new",)
        if before and seen > known:
            departs += (f"its tolerance grew from {known:g} to {seen:g} times the floor of noise",)
        if departs:
            said.append(f"{row.claim} on {row.subject}: {'; '.join(departs)}")
            recorded[found.key] = found
            new, moved = new + (before is None), moved + (before is not None)
    # By name, so that a line stays in its place whatever was run.
    kept = sorted(recorded.values(), key=lambda o: o.key)
    return FileChange(path, tuple(kept), tuple(said), new, moved, len(rows) - len(said))
