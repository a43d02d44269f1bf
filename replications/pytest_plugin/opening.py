"""Subjects of registered systems: one is open at a time, and none is opened twice in a row."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pytest

from replications.pytest_plugin.systems import Registered


@dataclass(frozen=True)
class Opened:
    """A subject, or what opening it raised."""

    subject: Any
    problem: Exception | None = None
    traceback: TracebackType | None = None

    def get(self) -> Any:
        """The subject.  Raises what opening it raised, with the traceback of that time."""
        if self.problem is not None:
            raise self.problem.with_traceback(self.traceback)
        return self.subject


class Opener:
    """Holds the subject that was opened last; it is freed before the next one is opened.

    Meanwhile the garbage collector comes rarely. Closing a subject collects all garbage.
    """

    def __init__(self) -> None:
        self._key: tuple[str, str] | None = None
        self._opened: Opened | None = None
        from replications.judging.garbage import RARELY, leave_garbage_at_exit

        leave_garbage_at_exit()
        self._frozen_before = gc.get_freeze_count() > 0
        self._threshold_before = gc.get_threshold()
        gc.set_threshold(*RARELY)

    def open(self, wanted: Registered) -> Any:
        """The subject, opened now unless it was the last one.  What failed is not tried again."""
        key = (wanted.info.system, wanted.info.name)
        if self._opened is None or key != self._key:
            self.close()
            self._key, self._opened = key, _open(wanted)
        return self._opened.get()

    def close(self) -> None:
        """Free the subject.

        What is left then stays for good, half a million objects of torch and others. From then on
        the garbage collector is spared them, which saves 0.2 s at every subject.
        """
        if self._opened is not None:
            self._opened = None
            gc.collect()
            gc.freeze()

    def finish(self) -> None:
        """Free the last subject, and let the collector work as before: others ask it.

        A run within a run leaves what its caller has set aside.
        """
        self.close()
        gc.set_threshold(*self._threshold_before)
        if not self._frozen_before:
            gc.unfreeze()


def _open(wanted: Registered) -> Opened:
    try:
        return Opened(wanted.system.open(wanted.info.name))
    except Exception as exc:
        return Opened(None, exc, exc.__traceback__)


OPENER: pytest.StashKey[Opener] = pytest.StashKey()


def opener(config: pytest.Config) -> Opener:
    """The opener of a session."""
    if OPENER not in config.stash:
        config.stash[OPENER] = Opener()
    return config.stash[OPENER]
