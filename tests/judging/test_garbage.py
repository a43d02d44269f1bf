"""How often garbage is collected, and that none is at the end."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from replications.judging.garbage import RARELY, collected_rarely

CYCLE = """
from replications.judging.garbage import leave_garbage_at_exit

class Told:
    def __del__(self):
        print("collected")

def cycle():
    told = Told()
    told.itself = told

{}
cycle()
"""


def test_thresholds_are_those_of_before_whatever_happens() -> None:
    def fail() -> None:
        with collected_rarely():
            assert gc.get_threshold() == RARELY
            raise KeyError

    before = gc.get_threshold()
    with pytest.raises(KeyError):
        fail()
    assert gc.get_threshold() == before


@pytest.mark.parametrize(("call", "says"), [("", "collected"), ("leave_garbage_at_exit()", "")])
def test_nothing_is_collected_at_the_end(call: str, says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CYCLE.format(call)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == says
