"""How often Python looks for garbage: rarely, since it looks at all objects of torch each time.

With Python's own thresholds that takes an eighth of the time of the claims, and a fifth of the time
in which torch and TransformerLens are imported.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARELY = (50_000, 20, 100)
"""Thresholds as `gc.set_threshold` takes them."""


def leave_garbage_at_exit() -> None:
    """Let the process end without a last look at all objects, which takes a second with torch."""
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)


@contextmanager
def collected_rarely() -> Iterator[None]:
    """Within the block the garbage collector comes rarely; then as often as before."""
    before = gc.get_threshold()
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
