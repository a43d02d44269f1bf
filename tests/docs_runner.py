"""Runs a tutorial as written: writes its files, makes its edits, runs its commands, in order.

The words before a fenced block say what it is:

    Create `PATH`…:                                    the whole file
    In `PATH`, after the line `LINE`, add:             lines below the one that is named
    In `PATH`, replace the line `LINE` by:             lines in its place
    At the end of `PATH`, add:                         lines below the last

A `sh` block is run by bash and must exit with 0, or with the number after "exit status" in those
words. A `text` block is what the commands before it print: its lines in their order, among others;
`…` stands for anything, blanks and rules of a table for any number of them. Any other block is a
mistake of the tutorial, so that nothing in it goes untested.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CREATE = re.compile(r"\bCreate `([^`]+)`")
AFTER = re.compile(r"In `([^`]+)`, after the line `([^`]+)`, add")
REPLACE = re.compile(r"In `([^`]+)`, replace the line `([^`]+)` by")
APPEND = re.compile(r"At the end of `([^`]+)`, add")
STATUS = re.compile(r"\bexit status (\d+)")
SECONDS = 300
"""Longer than any command takes on a busy machine."""
UNUSED = ("hypothesispytest", "anyio", "jaxtyping", "typeguard")
"""Plugins of pytest that no tutorial needs: two seconds of every run if they are installed."""


class NotAsWritten(AssertionError):
    """A tutorial does not do what it says."""


@dataclass(frozen=True)
class Block:
    """A fenced block, the paragraph before it, and its first line in the file, for messages."""

    language: str
    content: str
    words: str
    line: int


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a Markdown text, in order."""
    end = 0
    for found in FENCE.finditer(text):
        words = text[end : found.start()].strip().split("\n\n")[-1]
        yield Block(found[1], found[2], " ".join(words.split()), text.count("\n", 0, found.start()))
        end = found.end()


def copy_of(root: Path, target: Path) -> Path:
    """A copy of what git tracks, or would if it were added, as it is in the working tree."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=root, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, target / name)
    return target


def run(text: str, folder: Path) -> None:
    """Do all that a tutorial says, in `folder`.  Raises NotAsWritten where it is not so."""
    printed = ""
    for block in blocks(text):
        try:
            if block.language == "sh":
                printed = _command(block, folder)
            elif block.language == "text":
                _compare(block.content, printed)
            else:
                _write(block, folder)
        except NotAsWritten as problem:
            raise NotAsWritten(f"block at line {block.line + 1}: {problem}") from None


# ---- files --------------------------------------------------------------------------------------


def _write(block: Block, folder: Path) -> None:
    if made := CREATE.search(block.words):
        path = folder / made[1]
        if path.exists() and "again" not in block.words:
            raise NotAsWritten(f"{made[1]} exists; say 'Create … again' to write over it")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.content, encoding="utf-8")
    elif found := AFTER.search(block.words):
        _edit(folder / found[1], found[2], keep=True, content=block.content)
    elif found := REPLACE.search(block.words):
        _edit(folder / found[1], found[2], keep=False, content=block.content)
    elif found := APPEND.search(block.words):
        path = folder / found[1]
        path.write_text(_read(path) + block.content, encoding="utf-8")
    else:
        raise NotAsWritten(f"nothing says what this block is for: {block.words!r}")


def _edit(path: Path, line: str, *, keep: bool, content: str) -> None:
    lines = _read(path).splitlines(keepends=True)
    places = [i for i, found in enumerate(lines) if found.strip() == line.strip()]
    if len(places) != 1:
        raise NotAsWritten(f"{path.name} has the line {line!r} {len(places)} times, not once")
    start = places[0]
    lines[start + keep : start + 1] = [content]
    path.write_text("".join(lines), encoding="utf-8")


def _read(path: Path) -> str:
    if not path.is_file():
        raise NotAsWritten(f"{path.name} does not exist")
    return path.read_text(encoding="utf-8")


# ---- commands -----------------------------------------------------------------------------------


def environment(folder: Path) -> dict[str, str]:
    """This interpreter's environment first on PATH, one thread, and no file from elsewhere."""
    ours = ("REPLICATIONS_", "PYTEST_", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "OMP_NUM_THREADS": "1",
        "PYTEST_ADDOPTS": " ".join(f"-p no:{name}" for name in UNUSED),
        "REPLICATIONS_OFFLINE": "1",
        "REPLICATIONS_CACHE": str(folder / ".cache"),
    }


def _command(block: Block, folder: Path) -> str:
    """Run a block; what it printed.  NotAsWritten if the exit status is not the one stated."""
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", block.content],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
        check=False,
    )
    printed = done.stdout.decode()
    stated = STATUS.search(block.words)
    expected = int(stated[1]) if stated else 0
    if done.returncode != expected:
        raise NotAsWritten(
            f"exit status {done.returncode}, not {expected}:\n{block.content}\n{printed}"
        )
    return printed


def _compare(expected: str, printed: str) -> None:
    rest = iter(map(_plain, printed.splitlines()))
    for line in filter(None, map(_plain, expected.splitlines())):
        pattern = ".*".join(map(re.escape, line.split("…")))
        if not any(re.fullmatch(pattern, found) for found in rest):
            raise NotAsWritten(f"this line was not printed, or not here: {line!r}\n{printed}")


def _plain(line: str) -> str:
    """One blank for several, three dashes for more."""
    return re.sub(r"-{3,}", "---", " ".join(line.split()))
