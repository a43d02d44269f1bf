"""The manifest of files that were made here, so that they open as the shipped ones do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace

from replications import fixtures
from replications.fixtures import Fixture


def manifest(system: str, made: Mapping[str, bytes], remake: str) -> str:
    """The manifest, as TOML, of a system's shipped files and of those `made` with `remake`.

    Names are SYSTEM/FILE. A file made here takes the place of a shipped one of that name.
    """
    listed = {n: e for n, e in fixtures.manifest().items() if n.startswith(f"{system}/")}
    entries = listed | {name: _entry(name, made[name], listed, remake) for name in sorted(made)}
    return "schema = 1\n" + "".join(_toml(entry) for entry in entries.values())


def _entry(name: str, content: bytes, listed: Mapping[str, Fixture], remake: str) -> Fixture:
    ours = [entry.kind for entry in listed.values() if entry.kind != "original"]
    return Fixture(
        name=name,
        subjects=(),
        kind=ours[0] if ours else "retrained",
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        licence="made here",
        sources=(),
        remake=remake,
    )


def _toml(entry: Fixture) -> str:
    known = entry if entry.sha256 else replace(entry, bytes=None)
    lines = [f"{key} = {_value(value)}" for key, value in asdict(known).items()]
    return "\n[[fixture]]\n" + "\n".join(lines) + "\n"


def _value(value: object) -> str:
    """A value as TOML: what JSON writes of texts, numbers and lists is TOML too."""
    return json.dumps("unknown" if value is None else value, ensure_ascii=False)
