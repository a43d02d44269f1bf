"""The errors that the package raises on purpose. Each message names the thing and the remedy."""

from __future__ import annotations


class ReplicationError(Exception):
    """The base class of all errors that this package raises on purpose."""


class FixtureMissing(ReplicationError):
    """A file cannot be reached from here. The claims that need it are skipped, with the remedy.

    `command` is the command that obtains the file, empty if there is none.
    """

    def __init__(self, message: str, *, command: str = "") -> None:
        super().__init__(message)
        self.command = command


class FixtureLost(FixtureMissing):
    """A file that the repository ships is not there, which is never a reason to skip a claim."""


class FixtureCorrupt(ReplicationError):
    """A file was found, but it is not the one that the manifest names. This is never skipped."""


class Unsupported(ReplicationError):
    """The installed TransformerLens, or this package, cannot do what was asked for."""


class Unsound(Unsupported):
    """The installed TransformerLens does something else at a site than the weights say, which no
    tested version is known to do. This is never a reason to pass over a claim."""


class BadInput(ReplicationError, ValueError):
    """An argument, a file or a record makes no sense."""
