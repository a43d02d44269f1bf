"""A terminal for tests: what a program shows where there is one, and not in a pipe."""

from __future__ import annotations

import os
import pty
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


def opened() -> tuple[int, int]:
    """The two ends of a terminal of the usual size: ours, and the program's."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    return ours, theirs


@contextmanager
def stream(*, terminal: bool) -> Iterator[tuple[TextIO, int]]:
    """A text stream to write to, which is a terminal or a pipe, and the descriptor to read from."""
    reader, writer = opened() if terminal else os.pipe()
    with os.fdopen(writer, "w") as file:
        yield file, reader
    os.close(reader)


def read(descriptor: int) -> str:
    """What is there to be read now."""
    os.set_blocking(descriptor, False)
    found = b""
    try:
        while part := os.read(descriptor, 65536):
            found += part
    except OSError:  # nothing more, or the other end of the terminal is closed
        pass
    return found.decode()
