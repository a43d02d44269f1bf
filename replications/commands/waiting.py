"""How threads of torch wait for one another.  It is decided when torch is imported."""

from __future__ import annotations

import os
import sys

SLEEP_SOON = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "10000"}
"""Threads that wait give up their core: at once, or with GNU's OpenMP after 10,000 looks.

A small sweep has many waits that are shorter, in which a thread that slept would come late. By
default they keep it busy for milliseconds, which another process, or the very thread that is
waited for, could use. On a machine with other work a small sweep then took six times as long on two
threads as on one; with these settings it takes less.
"""
_CHOSEN = (*SLEEP_SOON, "KMP_BLOCKTIME")
"""Variables by which users choose how threads wait."""


def let_threads_sleep() -> None:
    """Put `SLEEP_SOON` into the environment, unless users chose or torch is imported already."""
    if "torch" not in sys.modules and not any(name in os.environ for name in _CHOSEN):
        os.environ.update(SLEEP_SOON)
