"""Find, verify and fetch the files that the manifest names.

Look-up order: the folders of `REPLICATIONS_FIXTURES`, the repository's `fixtures/`, the per-user
cache, the Hugging Face cache, then the network unless `REPLICATIONS_OFFLINE=1`.  The first place
that holds a file decides: a wrong file there is an error, never a reason to look further.

Of some published files nobody published a digest.  Such a file is out of reach until the user
says which sha256 it has (`fetch` or `copy_from` with `sha256`); the cache keeps the answer.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import platformdirs

from replications import _download, _manifest, _verify, files
from replications._manifest import Fixture
from replications.errors import BadInput, FixtureCorrupt, FixtureMissing, ReplicationError

FETCH = "python -m replications fixtures fetch"
PACKAGE = Path(__file__).resolve().parent
HUB_ADDRESS = re.compile(r"https://huggingface\.co/([^/]+)/([^/]+)/resolve/([0-9a-f]{40})/(.+)")

_unreachable: dict[tuple[str, str], str] = {}


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
        return _manifest.parse(path, path.stat().st_mtime_ns)
    except OSError as exc:
        raise BadInput(f"cannot read the fixture manifest {path}: {exc.strerror}") from exc


def entry(name: str) -> Fixture:
    """The manifest entry, with the digest the user gave where the manifest has none.

    Raises BadInput for a name the manifest does not list.
    """
    listed = manifest()
    if name not in listed:
        raise BadInput(f"unknown fixture {name!r}; the manifest lists: {', '.join(listed)}")
    found = listed[name]
    return found if found.sha256 else replace(found, sha256=_user_digest(name))


def select(name: str) -> list[str]:
    """The fixtures meant by `name`: one file, or all in a folder.  BadInput if there are none."""
    inside = [listed for listed in manifest() if listed.startswith(f"{name}/")]
    return inside or [entry(name).name]


def digest(name: str) -> str:
    """The sha256 promised for `name`.  Raises FixtureMissing if nobody knows it."""
    wanted = entry(name)
    _need_digest(wanted)
    assert wanted.sha256 is not None
    return wanted.sha256


def places() -> tuple[Place, ...]:
    """Every place on this machine where a fixture may be, in look-up order."""
    remedy = "put the right file there, or remove it so that the next place is searched"
    listed = os.environ.get("REPLICATIONS_FIXTURES", "").split(os.pathsep)
    explicit = [
        Place("REPLICATIONS_FIXTURES", Path(item).expanduser(), remedy) for item in listed if item
    ]
    own = Place("repository", _shipped(), "run `git checkout -- fixtures` (or `git lfs pull`)")
    return (*explicit, own, _cache_place())


def _cache_place() -> Place:
    return Place("cache", cache(), f"run `{FETCH}`, which replaces it")


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
    _verify.check_file(wanted, path, place.remedy)
    return path


def read_bytes(name: str) -> bytes:
    """The content, hashed as read: what is returned is what was verified.  Raises as `find`."""
    wanted = entry(name)
    path, place = _locate(wanted)
    return _verify.read_bytes(wanted, path, place.remedy)


def fetch(name: str, *, sha256: str | None = None) -> Path:
    """Make sure a verified copy exists: the one `find` sees, or a fresh download to the cache.

    A wrong file in the cache is replaced.  `sha256` is for a file whose digest the manifest does
    not know, and is kept once a copy has it.  Raises FixtureMissing when every source fails,
    FixtureCorrupt when a wrong file lies in a folder that is not ours to change, and BadInput
    when `sha256` contradicts the manifest.
    """
    wanted = _with_digest(name, sha256)
    target = cache() / name
    for key in [key for key in _unreachable if key[0] == name]:
        del _unreachable[key]
    found = next(_copies(wanted), None)
    if found is not None and (found[0] != target or _verify.is_right(wanted, target)):
        _verify.check_file(wanted, found[0], found[1].remedy)
    else:
        found = (_download_to_cache(wanted), _cache_place())
    _keep_digest(wanted)
    return found[0]


def copy_from(folder: Path, names: Sequence[str], *, sha256: str | None = None) -> list[Path]:
    """Copy files from a local folder into the cache, once every one of them was verified.

    A file is looked for as `folder/<folder>/<file>`, then as `folder/<file>`.  `sha256` is as in
    `fetch`.  Raises FixtureMissing if a file is not there or the cache cannot be written, and
    FixtureCorrupt if one is wrong; nothing is copied then.
    """
    found = [(wanted := _with_digest(name, sha256), _in_folder(folder, wanted)) for name in names]
    for wanted, path in found:
        _verify.check_file(wanted, path, "get the right file; nothing was copied")
    for wanted, path in found:
        try:
            _to_cache(wanted, (path.absolute().as_uri(),))
        except _download.Failed as exc:
            raise FixtureMissing(f"{wanted.name} could not be copied: {exc}") from exc
        _keep_digest(wanted)
    return [cache() / wanted.name for wanted, _ in found]


def status() -> list[State]:
    """One line per fixture: the first place that holds it, and whether it is right."""
    return [_state(wanted, next(_copies(wanted), None)) for wanted in map(entry, manifest())]


def verify() -> list[State]:
    """One line per copy: every place is checked, also those an earlier place hides."""
    found = []
    for wanted in map(entry, manifest()):
        copies = list(_copies(wanted))
        found += [_state(wanted, copy) for copy in copies] or [_state(wanted, None)]
    return found


def _shipped() -> Path:
    checkout = PACKAGE.parent / "fixtures"
    return checkout if (checkout / "manifest.toml").is_file() else PACKAGE / "_fixtures"


def _copies(wanted: Fixture) -> Iterator[tuple[Path, Place]]:
    candidates = [(place.folder / wanted.name, place) for place in places()]
    for path, place in [*candidates, *_in_hub_cache(wanted)]:
        if os.path.lexists(path):  # a dangling link is a broken copy, not an absent one
            yield path, place


def _in_hub_cache(wanted: Fixture) -> Iterator[tuple[Path, Place]]:
    """Where the Hugging Face libraries keep what has one of the entry's addresses."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{caches}/huggingface"
    hub = Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()
    remedy = "remove it there, with the blob it links to, or put the right file in an earlier place"
    for address in map(HUB_ADDRESS.fullmatch, wanted.sources):
        if address:
            owner, repository, revision, file = address.groups()
            snapshot = hub / f"models--{owner}--{repository}" / "snapshots" / revision
            yield snapshot / file, Place("Hugging Face cache", snapshot, remedy)


def _in_folder(folder: Path, wanted: Fixture) -> Path:
    candidates = [folder / wanted.name, folder / wanted.name.split("/")[1]]
    for path in candidates:
        if os.path.lexists(path):
            return path
    looked = " or ".join(str(path) for path in candidates)
    raise FixtureMissing(f"{wanted.name} is not in {folder}: looked for {looked}")


def _locate(wanted: Fixture) -> tuple[Path, Place]:
    _need_digest(wanted)
    found = next(_copies(wanted), None)
    return found if found is not None else (_download_to_cache(wanted), _cache_place())


def _with_digest(name: str, sha256: str | None) -> Fixture:
    """The entry, with a digest that the user states."""
    wanted = entry(name)
    listed = manifest()[name].sha256
    if sha256 is not None:
        if not _manifest.is_digest(sha256):
            raise BadInput(f"{sha256!r} is not a sha256: 64 lower-case hex digits")
        if listed not in (None, sha256):
            raise BadInput(f"{name}: the manifest says sha256 {listed}, not {sha256}")
        wanted = replace(wanted, sha256=sha256)
    _need_digest(wanted)
    return wanted


def _need_digest(wanted: Fixture) -> None:
    if wanted.sha256 is None:
        raise FixtureMissing(
            f"no sha256 of {wanted.name} was published, so no copy of it is opened. Remedy: find "
            f"it out ({wanted.note}), then run `{FETCH} {wanted.name} --sha256 DIGEST`, "
            "with --from DIR for a copy you have"
        )


def _digest_file(name: str) -> Path:
    return cache() / f"{name}.sha256"


def _user_digest(name: str) -> str | None:
    """The digest the user gave for a file whose own the manifest does not know."""
    path = _digest_file(name)
    try:
        digest = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise FixtureCorrupt(f"{path} cannot be read ({exc}). Remedy: remove it") from exc
    if not _manifest.is_digest(digest):
        raise FixtureCorrupt(f"{path} holds no sha256. Remedy: remove it, and fetch {name} again")
    return digest


def _keep_digest(wanted: Fixture) -> None:
    if manifest()[wanted.name].sha256 is None:
        path = _digest_file(wanted.name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.put(path, f"{wanted.sha256}\n".encode())
        except OSError as exc:
            raise FixtureMissing(_unwritable(wanted, exc.strerror)) from exc


def _download_to_cache(wanted: Fixture) -> Path:
    folder = cache()
    if not wanted.sources:
        raise FixtureMissing(f"{_nowhere(wanted)}; it has no download address ({wanted.remake})")
    if offline():
        raise FixtureMissing(f"{_nowhere(wanted)}, and downloads are off. {_remedy()}")
    key = (wanted.name, str(folder))
    if key not in _unreachable:
        try:
            return _to_cache(wanted, wanted.sources)
        except FixtureMissing as exc:
            _unreachable[key] = f"{_nowhere(wanted)}, and {exc}"
        except _download.Failed as exc:
            _unreachable[key] = f"{_nowhere(wanted)}; download failed: {exc}. {_remedy()}"
    # Remembered, so that sixty claims do not each wait for the same time-out.
    raise FixtureMissing(_unreachable[key])


def _to_cache(wanted: Fixture, sources: Sequence[str]) -> Path:
    """The verified copy in the cache.  _download.Failed if no source has the right file."""
    target = cache() / wanted.name
    try:
        _download.to_file(
            sources,
            target,
            label=wanted.name,
            size=wanted.bytes,
            is_right=lambda: _verify.is_right(wanted, target),
            # Not remembered: two sources may write the same path within one clock tick.
            check=lambda path: _verify.check_file(wanted, path, "", remember=False),
        )
    except _download.Unwritable as exc:
        raise FixtureMissing(_unwritable(wanted, str(exc))) from exc
    return target


def _unwritable(wanted: Fixture, reason: str | None) -> str:
    return (
        f"the cache {cache()} cannot be written for {wanted.name} ({reason}). "
        "Remedy: set REPLICATIONS_CACHE to a folder you may write"
    )


def _nowhere(wanted: Fixture) -> str:
    listed = [place.folder for place in places() if place.label == "REPLICATIONS_FIXTURES"]
    absent = [f"{folder} is not a folder" for folder in listed if not folder.is_dir()]
    note = f" ({', '.join(absent)})" if absent else "" if listed else " (not set)"
    hub = " or that of Hugging Face" if list(_in_hub_cache(wanted)) else ""
    return f"no copy of {wanted.name} in REPLICATIONS_FIXTURES{note}, fixtures/ or the cache{hub}"


def _remedy() -> str:
    return f"Remedy: set REPLICATIONS_FIXTURES to a folder that holds it, or run `{FETCH}`"


def _state(wanted: Fixture, copy: tuple[Path, Place] | None) -> State:
    if copy is None or wanted.sha256 is None:
        how = "can be fetched" if wanted.sources else wanted.remake
        if wanted.sha256 is None:
            how = f"no sha256 is known. {wanted.note}"
        return State(wanted.name, wanted.kind, "", "missing", how)
    path, place = copy
    where = f"{place.label}: {path}"
    try:
        _verify.check_file(wanted, path, place.remedy)
    except ReplicationError as exc:
        return State(wanted.name, wanted.kind, where, "corrupt", str(exc))
    return State(wanted.name, wanted.kind, where, "ok")
