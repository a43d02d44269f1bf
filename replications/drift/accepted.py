"""Known changes: new values of one TransformerLens line that are right, each with a reason."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from replications.drift.changes import Change
from replications.errors import BadInput
from replications.judging.ledger import Ledger
from replications.judging.noise import Floor, within


@dataclass(frozen=True)
class Accepted:
    """The accepted value of one claim on one subject.

    `transformer_lens` is the line it belongs to ("4.4"); `reason` says why the value is right.
    """

    claim: str
    subject: str
    transformer_lens: str
    measured: Any
    reason: str


def read(path: Path) -> tuple[Accepted, ...]:
    """The entries of a TOML file.  BadInput for an entry that is not complete or has no reason."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise BadInput(f"cannot read {path}: {exc}") from exc
    names = [field.name for field in fields(Accepted)]
    found = []
    for entry in content.get("accepted", ()):
        if set(entry) != set(names):
            raise BadInput(f"{path}: an entry needs exactly {', '.join(names)}: {entry}")
        if not str(entry["reason"]).strip():
            raise BadInput(f"{path}: {entry['claim']} on {entry['subject']} needs a reason")
        found.append(Accepted(**entry))
    return tuple(found)


def apply(
    changes: Iterable[Change], new: Ledger, entries: Sequence[Accepted], floor: Floor
) -> tuple[Change, ...]:
    """The changes, where those to a value that an entry accepts have the kind "accepted".

    BadInput for an entry of this line that fits no row, or that fits a row which did not move: such
    an entry would hide a later change.
    """
    version = str(new.environment.get("transformer_lens"))
    found = list(changes)
    for entry in entries:
        if not _is_line(version, entry.transformer_lens):
            continue
        at = [i for i, c in enumerate(found) if _about(c, entry)]
        if not at:
            raise BadInput(f"accepted: no row of {entry.claim} on {entry.subject}")
        change = found[at[0]]
        if change.kind in ("same", "noise"):
            raise BadInput(f"accepted: {entry.claim} on {entry.subject} did not move; remove it")
        if change.kind in ("drift", "flipped") and within(
            entry.measured, change.new.measured, floor
        ):
            found[at[0]] = replace(change, kind="accepted")
    return tuple(found)


def _is_line(version: str, line: str) -> bool:
    return version == line or version.startswith(f"{line}.")


def _about(change: Change, entry: Accepted) -> bool:
    return (change.new.claim, change.new.subject) == (entry.claim, entry.subject)
