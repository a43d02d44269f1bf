"""Small sweeps as a ratio of times: `python -m bench.ratios NAME` prints it.

    small   a sweep of resid_pre on the tutorial's pair, over what its arithmetic needs
    busy    the same sweep on two threads, over one thread, while each core has other work

Each is the median of rounds that time both in turn. Threads wait as in the command line.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from replications.commands.waiting import let_threads_sleep

if TYPE_CHECKING:
    from bench.measure import Setting
    from bench.workloads import Case, Workload

WORKLOAD = "resid_pre-tutorial"
ROUNDS = 5
LOOP = "while True: pass"


def small(size: str, rounds: int) -> float:
    """Time of the sweep over that of its arithmetic at the rate of large products."""
    from replications.patching._engine import gemm

    setting, workload, case = _prepared(size)
    flops = workload.least_flops(case)
    assert flops is not None
    ratios: list[float] = []
    for _ in range(rounds):
        rate = gemm.rate(rounds=1)
        seconds, _found = setting.timed(lambda: workload.run(case))
        ratios.append(seconds * rate / flops)
    return statistics.median(ratios)


def busy(size: str, rounds: int) -> float:
    """Time of the sweep on two threads over its time on one, beside one endless loop per core."""
    import torch

    setting, workload, case = _prepared(size)

    def seconds(threads: int) -> float:
        torch.set_num_threads(threads)
        return setting.timed(lambda: workload.run(case))[0]

    with other_work():
        seconds(2)  # starts the second thread
        return statistics.median(seconds(2) / seconds(1) for _ in range(rounds))


@contextmanager
def other_work() -> Iterator[None]:
    """Keep every core busy."""
    loops = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _prepared(size: str) -> tuple[Setting, Workload, Case]:
    """The setting, the workload and its case, run once; torch is imported here at the earliest."""
    import torch

    from bench.measure import Setting
    from bench.workloads import WORKLOADS

    setting = Setting(size, "cpu", torch.float32, (), time.perf_counter)
    workload = WORKLOADS[WORKLOAD]
    case = setting.case(workload)
    workload.run(case)
    return setting, workload, case


RATIOS = {"small": small, "busy": busy}


def main(argv: Sequence[str] | None = None) -> None:
    """Print one ratio."""
    parser = argparse.ArgumentParser(prog="python -m bench.ratios")
    parser.add_argument("name", choices=RATIOS)
    parser.add_argument("--size", choices=("full", "tiny"), default="full")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(argv)
    let_threads_sleep()
    print(f"{RATIOS[options.name](options.size, options.rounds):.2f}")


if __name__ == "__main__":
    main()
