"""Fetch one file into place: temporary name, verified, renamed, under a lock."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit
from urllib.request import url2pathname

from filelock import FileLock
from tqdm import tqdm

from replications.errors import FixtureCorrupt

CONNECT_SECONDS, READ_SECONDS = 4.0, 10.0
CHUNK = 1 << 16

log = logging.getLogger(__name__)


class Unwritable(Exception):
    """The target folder cannot be written."""


class Failed(Exception):
    """No source gave the right file.  The text names each source and what went wrong."""


def to_file(
    sources: Iterable[str],
    target: Path,
    *,
    label: str,
    size: int | None,
    is_right: Callable[[], bool],
    check: Callable[[Path], None],
) -> None:
    """Download the first good source to `target`; a failure leaves nothing there.

    `size` is the expected number of bytes, if known (for the progress bar).  `check(path)` raises
    FixtureCorrupt on wrong content.  `is_right()` says whether another process was faster.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(target.with_name(f".{target.name}.lock"))
        lock.acquire()
    except (OSError, NotImplementedError) as exc:
        raise Unwritable(_reason(exc)) from exc
    try:
        if not is_right():
            _first_good(sources, target, label, size, check)
    finally:
        lock.release()


def _first_good(
    sources: Iterable[str],
    target: Path,
    label: str,
    size: int | None | None,
    check: Callable[[Path], None],
) -> None:
    # The lock makes a fixed name safe, and a leftover of a killed process is overwritten.
    part = target.with_name(f"{target.name}.part")
    problems = []
    silent_hosts = set()
    try:
        for url in sources:
            host = urlsplit(url).netloc
            if host in silent_hosts:
                continue
            log.info("downloading %s from %s", label, url)
            try:
                _receive(url, part, label, size)
                check(part)
                os.replace(part, target)
                return
            except FixtureCorrupt:
                got = f"{part.stat().st_size} of {size} bytes"
                problems.append(f"{url} sent a wrong file ({got}, sha256 differs)")
            except OSError as exc:
                if isinstance(exc, PermissionError):
                    raise Unwritable(_reason(exc)) from exc
                problems.append(f"{url}: {_reason(exc)}")
                if _no_answer(exc) and not (part.exists() and part.stat().st_size):
                    silent_hosts.add(host)
    finally:
        part.unlink(missing_ok=True)
    raise Failed("; ".join(problems))


def _receive(url: str, part: Path, label: str, size: int | None) -> None:
    """Write the content of `url` to `part`.  Raises OSError (also for every network problem)."""
    # disable=None shows the bar on a terminal only.
    with tqdm(total=size, desc=label, unit="B", unit_scale=True, disable=None) as bar:
        if urlsplit(url).scheme == "file":
            _copy(Path(url2pathname(urlsplit(url).path)), part, bar)
            return
        from pooch import HTTPDownloader  # slow to import, and most runs download nothing

        timeout = (CONNECT_SECONDS, READ_SECONDS)
        HTTPDownloader(progressbar=bar, chunk_size=CHUNK, timeout=timeout)(url, part, None)


def _copy(source: Path, part: Path, bar: tqdm[NoReturn]) -> None:
    with source.open("rb") as given, part.open("wb") as taken:
        while piece := given.read(1 << 20):
            bar.update(taken.write(piece))


def _no_answer(exc: OSError) -> bool:
    from requests.exceptions import ConnectionError, Timeout

    return isinstance(exc, ConnectionError | Timeout)


def _reason(exc: BaseException) -> str:
    """One short line: network errors of requests carry their whole history in their text."""
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    text = " ".join(str(exc).split())
    return f"{type(exc).__name__}: {text}" if len(text) < 120 else f"{type(exc).__name__}"
