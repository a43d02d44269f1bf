"""Reading and writing files. What is written is complete, or not there at all."""

from __future__ import annotations

import os
from pathlib import Path

from replications.errors import BadInput


def user_path(text: str) -> Path:
    """A path that a user typed, with `~` for the home folder: no shell expands `--option=~/x`."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # ~name of nobody: a file may be called so
        return Path(text)


def read_text(path: Path) -> str:
    """The text of a UTF-8 file. Raises BadInput if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise BadInput(f"cannot read {path}: {exc}") from exc


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text, whole or not at all. Raises BadInput if it cannot be written."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all. Raises BadInput if it cannot be written."""
    try:
        put(path, content)
    except OSError as exc:
        raise BadInput(f"cannot write {path}: {exc.strerror or exc}") from exc


def put(path: Path, content: bytes) -> None:
    """Write a file as `write_bytes` does. Raises OSError if it cannot be written.

    The content goes to a temporary file in the same folder, which is then renamed to `path`: an
    interrupt or a full disk leaves what was there before.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(content)  # /dev/stdout must not be replaced by a file; a folder is refused
        return
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
