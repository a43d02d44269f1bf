"""A file is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from replications import files
from replications.errors import BadInput


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    files.write_text(path, "größer\n")
    files.write_text(path, "kleiner\n")
    assert files.read_text(path) == "kleiner\n"
    assert [found.name for found in tmp_path.iterdir()] == ["note.txt"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError("disk full")])
def test_an_interrupt_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException
) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")

    def half(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:1])
        raise stop

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(type(stop)):
        files.put(path, b"new")
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["note.txt"]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        files.write_bytes(pipe, b"through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_what_cannot_be_written_or_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "such"):
        with pytest.raises(BadInput, match=f"cannot write {path}: "):
            files.write_text(path, "x")
    (tmp_path / "bytes").write_bytes(b"\xff")
    for path in (tmp_path / "absent", tmp_path / "bytes"):
        with pytest.raises(BadInput, match=f"cannot read {path}: "):
            files.read_text(path)
