"""What an opener changes of the process it runs in, and gives back."""

from __future__ import annotations

import gc

from replications.judging.garbage import RARELY
from replications.pytest_plugin.opening import Opener


def test_the_garbage_collector_works_as_before_after_a_session() -> None:
    before = gc.get_threshold()
    outer, inner = Opener(), Opener()
    assert gc.get_threshold() == RARELY
    inner.finish()
    assert gc.get_threshold() == RARELY
    outer.finish()
    assert gc.get_threshold() == before


def test_objects_that_the_caller_set_aside_stay_so() -> None:
    gc.collect()
    gc.freeze()
    Opener().finish()
    assert gc.get_freeze_count() > 0
