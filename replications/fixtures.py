"""Find, verify and fetch the files that the manifest names.

Look-up order: the folders of `REPLICATIONS_FIXTURES`, the repository's `fixtures/`, the per-user
cache, then the network unless `REPLICATIONS_OFFLINE=1`.  The first place that holds a file
decides: a wrong file there is an error, never a reason to look further.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import platformdirs

from replications import _download
from replications.errors import BadInput, FixtureCorrupt, FixtureMissing, ReplicationError

SCHEMA = 1
LFS_MARK = b"version https://git-lfs.github.com/spec/"
FETCH = "python -m replications fixtures fetch"
PACKAGE = Path(__file__).resolve().parent

_digests: dict[tuple[str, int, int, int], str] = {}
_unreachable: dict[tuple[str, str], str] = {}


@dataclass(frozen=True)
class Fixture:
    """One manifest entry.  `bytes` is the exact size; `sources` are addresses, tried in order."""

    name: str
    subjects: tuple[str, ...]
    kind: Literal["original", "retrained", "toy"]
    bytes: int
    sha256: str
    licence: str
    sources: tuple[str, ...]
    remake: str
    note: str = ""


@dataclass(frozen=True)
class Place:
    """A folder that may hold fixtures, how to speak of it, and what to do about a bad file."""

    label: str
    folder: Path
    remedy: str


@dataclass(frozen=True)
class State:
    """What `status` and `verify` say of one fixture in one place (`where` is "" if nowhere)."""

    name: str
    kind: str
    where: str
    state: Literal["ok", "missing", "corrupt"]
    detail: str = ""


def manifest() -> dict[str, Fixture]:
    """All entries by name, from `REPLICATIONS_MANIFEST` or the manifest shipped with the code.

    Raises BadInput when the manifest is missing or malformed.
    """
    path = Path(os.environ.get("REPLICATIONS_MANIFEST") or _shipped() / "manifest.toml")
    try:
        return _parse_manifest(path, path.stat().st_mtime_ns)
    except OSError as exc:
        raise BadInput(f"cannot read the fixture manifest {path}: {exc.strerror}") from exc


@lru_cache(maxsize=4)
def _parse_manifest(path: Path, mtime_ns: int) -> dict[str, Fixture]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise BadInput(f"{path} is not a valid manifest: {exc}") from exc
    if table.get("schema") != SCHEMA:
        raise BadInput(f"{path}: schema {table.get('schema')!r}, this version reads {SCHEMA}")
    entries = [_entry(path, raw) for raw in table.get("fixture", [])]
    names = [entry.name for entry in entries]
    if len(set(names)) != len(names):
        raise BadInput(f"{path}: a fixture is listed twice")
    return dict(zip(names, entries, strict=True))


def _entry(path: Path, raw: dict[str, Any]) -> Fixture:
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()
    }
    try:
        entry = Fixture(**fields)
    except TypeError as exc:
        raise BadInput(f"{path}: entry {raw.get('name')!r}: {exc}") from exc
    parts = entry.name.split("/")
    if len(parts) != 2 or not all(parts) or ".." in parts:
        raise BadInput(f"{path}: name {entry.name!r} is not <system>/<file>")
    if len(entry.sha256) != 64 or set(entry.sha256) - set("0123456789abcdef"):
        raise BadInput(f"{path}: {entry.name}: sha256 must be 64 lower-case hex digits")
    if not isinstance(entry.bytes, int) or entry.bytes <= 0:
        raise BadInput(f"{path}: {entry.name}: bytes must be a positive integer")
    return entry


def entry(name: str) -> Fixture:
    """The manifest entry.  Raises BadInput for a name the manifest does not list."""
    known = manifest()
    if name not in known:
        raise BadInput(f"unknown fixture {name!r}; the manifest lists: {', '.join(known)}")
    return known[name]


def digest(name: str) -> str:
    """The sha256 the manifest promises for `name`."""
    return entry(name).sha256


def places() -> tuple[Place, ...]:
    """Every place on this machine where a fixture may be, in look-up order."""
    replace = "put the right file there, or remove it so that the next place is searched"
    listed = os.environ.get("REPLICATIONS_FIXTURES", "").split(os.pathsep)
    explicit = [
        Place("REPLICATIONS_FIXTURES", Path(item).expanduser(), replace) for item in listed if item
    ]
    own = Place("repository", _shipped(), "run `git checkout -- fixtures` (or `git lfs pull`)")
    return (*explicit, own, Place("cache", cache(), f"run `{FETCH}`, which replaces it"))


def cache() -> Path:
    """The per-user folder for downloads; `REPLICATIONS_CACHE` overrides it."""
    chosen = os.environ.get("REPLICATIONS_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("interp-claims")


def offline() -> bool:
    """True when `REPLICATIONS_OFFLINE` forbids the network."""
    return os.environ.get("REPLICATIONS_OFFLINE", "").lower() not in ("", "0", "false", "no")


def find(name: str) -> Path:
    """Path of a file whose sha256 was checked, downloading it if it is nowhere and that is allowed.

    Raises FixtureMissing (not reachable), FixtureCorrupt (found, but wrong), BadInput (no such
    name).
    """
    wanted = entry(name)
    path, place = _locate(wanted)
    _check_file(wanted, path, place.remedy)
    return path


def read_bytes(name: str) -> bytes:
    """The content, hashed as read: what is returned is what was verified.  Raises as `find`."""
    wanted = entry(name)
    path, place = _locate(wanted)
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise _corrupt(wanted, path, f"cannot be read ({exc.strerror})", place.remedy) from exc
    actual = hashlib.sha256(content).hexdigest()
    _compare(wanted, path, len(content), actual, content[:100], place.remedy)
    return content


def fetch(name: str) -> Path:
    """Make sure a verified copy exists: the one `find` sees, or a fresh download to the cache.

    A wrong file in the cache is replaced.  Raises FixtureMissing when every source fails, and
    FixtureCorrupt when a wrong file lies in a folder that is not ours to change.
    """
    wanted = entry(name)
    target = cache() / name
    for key in [key for key in _unreachable if key[0] == name]:
        del _unreachable[key]
    found = next(_copies(wanted), None)
    if found is not None and (found[0] != target or _is_right(wanted, target)):
        return find(name)
    return _download_to_cache(wanted)


def status() -> list[State]:
    """One line per fixture: the first place that holds it, and whether it is right."""
    return [_state(wanted, next(_copies(wanted), None)) for wanted in manifest().values()]


def verify() -> list[State]:
    """One line per copy: every place is checked, also those an earlier place hides."""
    found = []
    for wanted in manifest().values():
        copies = list(_copies(wanted))
        found += [_state(wanted, copy) for copy in copies] or [_state(wanted, None)]
    return found


def _shipped() -> Path:
    checkout = PACKAGE.parent / "fixtures"
    return checkout if (checkout / "manifest.toml").is_file() else PACKAGE / "_fixtures"


def _copies(wanted: Fixture) -> Iterator[tuple[Path, Place]]:
    for place in places():
        path = place.folder / wanted.name
        if os.path.lexists(path):  # a dangling link is a broken copy, not an absent one
            yield path, place


def _locate(wanted: Fixture) -> tuple[Path, Place]:
    found = next(_copies(wanted), None)
    return found if found is not None else (_download_to_cache(wanted), places()[-1])


def _download_to_cache(wanted: Fixture) -> Path:
    folder = cache()
    if not wanted.sources:
        raise FixtureMissing(f"{_nowhere(wanted)}; it has no download address ({wanted.remake})")
    if offline():
        raise FixtureMissing(f"{_nowhere(wanted)}, and downloads are off. {_remedy()}")
    key = (wanted.name, str(folder))
    if key not in _unreachable:
        target = folder / wanted.name
        try:
            _download.to_file(
                wanted.sources,
                target,
                label=wanted.name,
                size=wanted.bytes,
                is_right=lambda: _is_right(wanted, target),
                # Not remembered: two sources may write the same path within one clock tick.
                check=lambda path: _check_file(wanted, path, "", remember=False),
            )
            return target
        except _download.Unwritable as exc:
            _unreachable[key] = (
                f"{_nowhere(wanted)}, and the cache {folder} cannot be written ({exc}). "
                "Remedy: set REPLICATIONS_CACHE to a folder you may write"
            )
        except _download.Failed as exc:
            _unreachable[key] = f"{_nowhere(wanted)}; download failed: {exc}. {_remedy()}"
    # Remembered, so that sixty claims do not each wait for the same time-out.
    raise FixtureMissing(_unreachable[key])


def _nowhere(wanted: Fixture) -> str:
    listed = [place.folder for place in places() if place.label == "REPLICATIONS_FIXTURES"]
    absent = [f"{folder} is not a folder" for folder in listed if not folder.is_dir()]
    note = f" ({', '.join(absent)})" if absent else "" if listed else " (not set)"
    return f"no copy of {wanted.name} in REPLICATIONS_FIXTURES{note}, fixtures/ or the cache"


def _remedy() -> str:
    return f"Remedy: set REPLICATIONS_FIXTURES to a folder that holds it, or run `{FETCH}`"


def _state(wanted: Fixture, copy: tuple[Path, Place] | None) -> State:
    if copy is None:
        how = "can be fetched" if wanted.sources else wanted.remake
        return State(wanted.name, wanted.kind, "", "missing", how)
    path, place = copy
    where = f"{place.label}: {path}"
    try:
        _check_file(wanted, path, place.remedy)
    except ReplicationError as exc:
        return State(wanted.name, wanted.kind, where, "corrupt", str(exc))
    return State(wanted.name, wanted.kind, where, "ok")


def _is_right(wanted: Fixture, path: Path) -> bool:
    try:
        _check_file(wanted, path, "")
    except ReplicationError:
        return False
    return True


def _check_file(wanted: Fixture, path: Path, remedy: str, *, remember: bool = True) -> None:
    try:
        stat = path.stat()
        key = (os.path.abspath(path), stat.st_ino, stat.st_mtime_ns, stat.st_size)
        with path.open("rb") as file:
            head = file.read(100)
            file.seek(0)
            known = _digests.get(key) if remember else None
            actual = known or hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise _corrupt(wanted, path, f"cannot be read ({exc.strerror})", remedy) from exc
    if remember:
        _digests[key] = actual
    _compare(wanted, path, stat.st_size, actual, head, remedy)


def _compare(wanted: Fixture, path: Path, size: int, actual: str, head: bytes, remedy: str) -> None:
    if size == wanted.bytes and actual == wanted.sha256:
        return
    if head.startswith(LFS_MARK):
        problem = "is a git-lfs pointer, not the file itself"
    elif size == 0:
        problem = "is empty"
    elif size < wanted.bytes:
        problem = "is too short"
    else:
        problem = "is not the file the manifest names"
    expected = f"expected {wanted.bytes} bytes, sha256 {wanted.sha256}"
    raise _corrupt(wanted, path, f"{problem}: {expected}; got {size} bytes, {actual}", remedy)


def _corrupt(wanted: Fixture, path: Path, problem: str, remedy: str) -> FixtureCorrupt:
    return FixtureCorrupt(f"{wanted.name}: {path} {problem}. Remedy: {remedy}")
