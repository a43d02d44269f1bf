"""Pictures that the `figures` command wrote to a folder, as data to put into the page."""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from replications import files
from replications.errors import BadInput
from replications.judging.claim import KINDS
from replications.judging.ledger import Ledger

INDEX = "figures.json"
SCHEMA = 1
TYPES = {".png": "image/png", ".svg": "image/svg+xml"}
PNG_WIDTH = slice(16, 20)
"""The bytes of a PNG that hold its width; its height is in the next four."""
WIDE = 700
"""A picture wider than this, in CSS pixels, takes the whole width of the page."""
SCREEN = 96 / 150
"""CSS pixels per dot: pictures have 150 dots per inch, and a page has 96 pixels per inch."""


@dataclass(frozen=True)
class Shown:
    """One picture.  `source` is a data: address; sizes in CSS pixels, None if not known."""

    title: str
    says: str
    source: str
    width: int | None
    height: int | None

    @property
    def wide(self) -> bool:
        """Whether it is too wide for half of the page."""
        return self.width is None or self.width > WIDE


@dataclass(frozen=True)
class Album:
    """The pictures of one subject."""

    subject: str
    kind: str
    pictures: tuple[Shown, ...]


@dataclass(frozen=True)
class Gallery:
    """Albums by system; and, by system, one line for each picture that is missing, with why."""

    albums: Mapping[str, tuple[Album, ...]] = field(default_factory=dict)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read(folder: Path, ledger: Ledger) -> Gallery:
    """The pictures of a folder that were drawn from the files the ledger was measured on.

    BadInput if the folder has no index, or if a picture in its index is missing.
    """
    index = _index(folder / INDEX)
    missing: dict[str, list[str]] = defaultdict(list)
    albums: dict[str, list[Album]] = defaultdict(list)
    for entry in index["subjects"]:
        system, subject = entry["system"], entry["subject"]
        here = [p for p in index["pictures"] if (p["system"], p["subject"]) == (system, subject)]
        reason = entry["why_not"] or _other_files(entry["fixtures"], ledger)
        if reason:
            missing[system].append(f"{subject}: {reason}")
            continue
        drawn = tuple(_shown(folder, p) for p in here if not p["why_not"])
        if drawn:
            albums[system].append(Album(subject, entry["kind"], drawn))
        missing[system] += [
            f"{subject}: {p['title']}: {p['why_not']}" for p in here if p["why_not"]
        ]
    for entry in index["not_drawn"]:
        missing[entry["system"]].append(f"{entry['plot']}: {entry['why_not']}")
    return Gallery(_frozen(albums), _frozen(missing))


def _frozen(lists: Mapping[str, list[Any]]) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(found) for name, found in lists.items()}


def _index(path: Path) -> dict[str, Any]:
    keys = ("subjects", "pictures", "not_drawn")
    try:
        content = json.loads(files.read_text(path))
    except ValueError as exc:
        raise BadInput(f"{path}: {exc}; draw it again with: figures --out {path.parent}") from exc
    if not isinstance(content, dict) or content.get("schema") != SCHEMA or set(keys) - set(content):
        raise BadInput(f"{path} is not an index of pictures; write one with: figures --out DIR")
    return content


def _other_files(digests: Mapping[str, str], ledger: Ledger) -> str:
    """Why pictures do not belong to this ledger; empty if they do."""
    other = [name for name, digest in digests.items() if ledger.fixtures.get(name) != digest]
    if not other:
        return ""
    return f"not shown, drawn from other files than this ledger: {', '.join(other)}"


def _shown(folder: Path, entry: Mapping[str, Any]) -> Shown:
    paths = [folder / name for name in entry["files"]]
    path = min(paths, key=lambda p: list(TYPES).index(p.suffix))
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise BadInput(f"cannot read {path}: {exc.strerror}; draw the pictures again") from exc
    source = f"data:{TYPES[path.suffix]};base64,{base64.b64encode(content).decode('ascii')}"
    wide, high = _size(content) if path.suffix == ".png" else (None, None)
    return Shown(entry["title"], entry["says"], source, wide, high)


def _size(png: bytes) -> tuple[int, int]:
    wide = int.from_bytes(png[PNG_WIDTH])
    high = int.from_bytes(png[PNG_WIDTH.stop : PNG_WIDTH.stop + 4])
    return round(wide * SCREEN), round(high * SCREEN)


# ---- which subjects -----------------------------------------------------------------------------


def chosen(ledger: Ledger) -> list[str]:
    """One subject for each system, "system/subject": the one closest to the document.

    An original comes before a retrained subject, and that before a toy; among subjects of one kind
    the one with most measured rows is taken, then one that gates, then the first of the system.
    """
    from replications.systems.registry import SYSTEMS, load

    found = []
    for system in dict.fromkeys(entry["system"] for entry in ledger.claims.values()):
        if system not in SYSTEMS:
            continue
        rows = [r for r in ledger.rows if r.claim.startswith(f"{system}/") and r.holds is not None]
        measured = Counter(row.subject for row in rows)
        infos = [info for info in load(system).SUBJECTS if info.name in measured]
        best = min(
            infos, key=lambda i: (KINDS.index(i.kind), -measured[i.name], not i.gates), default=None
        )
        found += [f"{system}/{best.name}"] if best else []
    return found
