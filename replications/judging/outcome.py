"""Recorded outcomes: what was found of each claim on each subject, kept beside the claims.

The claims of `test_heads.py` have theirs in `test_heads.outcomes.jsonl`, one row to a line.  A run
is compared with them, so that a row which departs from what was recorded fails, whether the finding
holds or not.  They are written by `replications record`.  Standard library only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from replications import files
from replications.errors import BadInput
from replications.judging.noise import Floor, largest_change, within

NOISE = Floor()
"""A measured value may move by this much from its record, times the `noise` of its row."""
_WORDS, _LISTS = ("claim", "subject", "reason"), ("accepted", "uncontrolled")


@dataclass(frozen=True)
class Outcome:
    """What was found of one claim on one subject, in JSON types.

    `version` is that of the claim when this was recorded.  `accepted` names the controls that were
    accepted and `uncontrolled` the parts that no control rejected; they are sorted.  `reason` says
    why this was recorded, or why it replaced what had been.  `noise` is the tolerance of the value
    as a multiple of NOISE: 1, or more for a value that was seen to move more with rounding alone.
    """

    claim: str
    subject: str
    version: int
    holds: bool
    measured: Any
    accepted: tuple[str, ...]
    uncontrolled: tuple[str, ...]
    reason: str
    noise: float = 1.0

    @property
    def key(self) -> tuple[str, str]:
        """The claim and the subject."""
        return self.claim, self.subject

    def data(self) -> dict[str, Any]:
        """The outcome in JSON types."""
        return {**asdict(self), **{name: list(getattr(self, name)) for name in _LISTS}}

    def departures(self, found: Outcome, *, controls: bool = True) -> tuple[str, ...]:
        """In what `found` departs from this record, one clause each; empty if in nothing.

        With `controls` false the controls were not run, and are not compared.
        """
        said = []
        if self.version != found.version:
            said.append(f"recorded for version {self.version} of the claim, not {found.version}")
        if self.holds != found.holds:
            said.append("holds now" if found.holds else "does not hold any more")
        floor = NOISE.times(self.noise)
        if not within(self.measured, found.measured, floor):
            size = largest_change(self.measured, found.measured)
            by = "" if size is None else f", by up to {size:.3g} (noise is {floor})"
            said.append(
                f"the value moved from {_text(self.measured)} to {_text(found.measured)}{by}"
            )
        if controls:
            words = "control {!r} is accepted now", "control {!r} is not accepted any more"
            said += _changed(words, self.accepted, found.accepted)
            words = "part {!r} is rejected by no control now", "part {!r} is rejected now"
            said += _changed(words, self.uncontrolled, found.uncontrolled)
        return tuple(said)


def _text(value: Any, most: int = 60) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else text[: most - 1] + "…"


def _changed(words: tuple[str, str], old: Collection[str], new: Collection[str]) -> list[str]:
    """What is said of each name that came, and of each that went."""
    came, went = words
    said = [came.format(name) for name in new if name not in old]
    return said + [went.format(name) for name in old if name not in new]


# ---- files --------------------------------------------------------------------------------------


def beside(module: Path) -> Path:
    """The file with the outcomes of the claims in `module`."""
    return module.with_suffix(".outcomes.jsonl")


def read(path: Path) -> dict[tuple[str, str], Outcome]:
    """The outcomes in a file, by claim and subject; none if there is no file.

    BadInput with the line for what is not an outcome, has no reason, or is there twice.
    """
    try:
        with path.open(encoding="utf-8") as file:
            lines = list(file)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        raise BadInput(f"cannot read the outcomes {path}: {exc}") from exc
    found: dict[tuple[str, str], Outcome] = {}
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        outcome = _outcome(line, where)
        if outcome.key in found:
            name = " on ".join(outcome.key)
            raise BadInput(f"{where}: a second outcome of {name}; delete one of the lines")
        found[outcome.key] = outcome
    return found


def _outcome(line: str, where: str) -> Outcome:
    try:
        entry = json.loads(line)
    except ValueError as exc:
        raise BadInput(f"{where}: not JSON ({exc}); record it again") from exc
    names = [field.name for field in fields(Outcome)]
    if not isinstance(entry, dict) or set(entry) != set(names):
        raise BadInput(f"{where}: an outcome has exactly {', '.join(names)}, unlike {_text(entry)}")
    for name, fine in _well_formed(entry).items():
        if not fine:
            raise BadInput(f"{where}: an outcome needs {name}, not {_text(entry[name])}")
    return Outcome(**{**entry, **{name: tuple(sorted(entry[name])) for name in _LISTS}})


def _well_formed(entry: Mapping[str, Any]) -> dict[str, bool]:
    """Whether each field of an entry is of its type; a word is not empty."""
    words = {n: isinstance(entry[n], str) and bool(entry[n].strip()) for n in _WORDS}
    lists = {
        n: isinstance(entry[n], list) and all(isinstance(name, str) for name in entry[n])
        for n in _LISTS
    }
    noise = entry["noise"]
    plain = {
        "version": type(entry["version"]) is int,
        "holds": type(entry["holds"]) is bool,
        "noise": type(noise) in (int, float) and 1 <= noise < math.inf,
    }
    return {**words, **plain, **lists}


def check(
    outcomes: Iterable[Outcome], path: Path, claims: Mapping[str, Collection[str] | None]
) -> None:
    """Refuse outcomes of claims or subjects that do not exist.  BadInput, which names the first.

    `claims` maps the claims of the module to their subjects, None where these are not known.
    """
    for outcome in outcomes:
        if outcome.claim not in claims:
            raise BadInput(
                f"{path} has an outcome of the unknown claim {outcome.claim!r}; "
                "delete its lines, or give the claim its name back"
            )
        subjects = claims[outcome.claim]
        if subjects is not None and outcome.subject not in subjects:
            raise BadInput(
                f"{path} has an outcome of {outcome.claim} on the unknown subject "
                f"{outcome.subject!r}; delete the line, or add the subject"
            )


def write(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Write a file, whole or not at all: one line for each, in the order given."""
    lines = [json.dumps(o.data(), ensure_ascii=False, allow_nan=False) + "\n" for o in outcomes]
    files.put(path, "".join(lines).encode("utf-8"))
