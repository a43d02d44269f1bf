"""The errors every part of the package raises.  Each message names the thing and the remedy."""

from __future__ import annotations


class ReplicationError(Exception):
    """Base of all errors this package raises on purpose."""


class FixtureMissing(ReplicationError):
    """A file cannot be reached from here.  Its claims are skipped, with the remedy.

    `command` is the command that obtains the file, empty if there is none.
    """

    def __init__(self, message: str, *, command: str = "") -> None:
        super().__init__(message)
        self.command = command


class FixtureCorrupt(ReplicationError):
    """A file was found, and it is not the file the manifest names.  Always an error."""


class Unsupported(ReplicationError):
    """The installed TransformerLens cannot express what was asked for."""


class BadInput(ReplicationError, ValueError):
    """An argument, a file or a record that makes no sense."""
