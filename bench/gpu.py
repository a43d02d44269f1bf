"""What a GPU has to show, in at most eight minutes: `make gpu`.

In this order, each with a time limit, and none of them needs what an earlier one failed to make:

1. claims that need no network and no published file, on the processor,
2. the same claims on CUDA in float32 without TF32,
3. what moved between the two,
4. every engine on CUDA in float64 and float32 (tests/test_devices.py),
5. sweeps, paths and edges of the benchmarks, with TransformerLens beside them; saved as a run,
6. that run beside those of the processor in bench/runs/.

What each step prints is also kept in a file of the folder.  `--dry-run` takes the processor in
place of the card and little of everything: it tests the script, and says nothing about CUDA.
The exit status is 1 if a step failed or ran out of time, 2 if there is no GPU.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from tabulate import tabulate

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "bench" / "runs"
LIMIT = 480.0
"""Seconds that all steps may take together."""
GRACE = 10.0
"""Seconds that a step has to write what it measured, once it was interrupted."""
WORKERS = min(8, os.cpu_count() or 1)
ON_CARD = min(4, WORKERS)
"""Processes that share the card: each holds a context of its own."""

CLAIMS = "seed0 or construction"
"""One model of each kind that the repository ships: about a third of the time of all."""
WORKLOADS = {False: "test_patching or test_edges", True: "z-tutorial or path-direct or edges"}
"""Of the benchmarks; the second for a dry run."""


@dataclass(frozen=True)
class Step:
    """A command of this Python, and the seconds it may take."""

    name: str
    limit: float
    arguments: Sequence[str]


@dataclass(frozen=True)
class Ended:
    """How a step ended."""

    step: Step
    how: str
    """"passed", "failed (1)" with the exit status, "out of time" or "not run"."""
    seconds: float = 0.0


def steps(device: str, folder: Path, run: Path, *, dry: bool) -> list[Step]:
    """The steps, which write to `folder`, the run of the benchmarks to `run`."""
    here, there = folder / "claims-here.json", folder / f"claims-{device}.json"
    chosen = ["claims/list_update", "-k", "seed0 and copies"] if dry else ["claims", "-k", CLAIMS]
    return [
        Step("claims on the processor", 80, _claims(chosen, "cpu", here, 1 if dry else WORKERS)),
        Step(f"claims on {device}", 120, _claims(chosen, device, there, 1 if dry else ON_CARD)),
        Step("what moved", 15, ["-m", "replications", "drift", str(here), str(there), "--all"]),
        Step(f"engines on {device}", 90, _engines(device, dry)),
        Step(f"benchmarks on {device}", 150, _benchmarks(device, run, dry)),
        Step("beside the processor", 15, ["-m", "bench.compare", *map(str, _runs(run))]),
    ]


def _claims(chosen: Sequence[str], device: str, ledger: Path, workers: int) -> list[str]:
    return [
        *("-m", "pytest", *chosen, "--offline", "-q", "--tb=line"),
        *("--device", device, "--claims-json", str(ledger)),
        *(["-n", str(workers)] if workers > 1 else []),
    ]


def _engines(device: str, dry: bool) -> list[str]:
    chosen = f"{device} and gpt- and (swept or edge)" if dry else device
    return ["-m", "pytest", "tests/test_devices.py", "-q", "--tb=short", "-k", chosen]


def _benchmarks(device: str, run: Path, dry: bool) -> list[str]:
    return [
        *("-m", "pytest", "bench/test_patching.py", "bench/test_edges.py", "--benchmark-quiet"),
        *("-k", WORKLOADS[dry], "--bench-device", device, "--bench-tools", "transformer_lens"),
        *("--bench-shape", "tiny" if dry else "gpt2-small", f"--benchmark-json={run}"),
    ]


def _runs(run: Path) -> list[Path]:
    return [*sorted(RUNS.glob("cpu-?.json")), run]


# -------------------------------------------------------------------- carrying them out
def carry_out(todo: Sequence[Step], folder: Path, limit: float = LIMIT) -> Iterator[Ended]:
    """One step after the other, whatever became of those before it, until `limit` seconds."""
    until = time.monotonic() + limit
    for number, step in enumerate(todo, 1):
        left = until - time.monotonic()
        if left <= GRACE:
            yield Ended(step, "not run")
            continue
        print(f"\n== {number}. {step.name}", flush=True)
        log = folder / f"{number}-{step.name.replace(' ', '-')}.txt"
        yield _carry_out(step, min(step.limit, left - GRACE), log)


def _carry_out(step: Step, limit: float, log: Path) -> Ended:
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as kept:
        running = subprocess.Popen(
            [sys.executable, *step.arguments],
            cwd=ROOT, stdout=kept, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            status = running.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _stop(running)
    print(log.read_text(encoding="utf-8", errors="replace"), flush=True)
    how = "out of time" if status is None else "passed" if status == 0 else f"failed ({status})"
    return Ended(step, how, time.monotonic() - started)


def _stop(running: subprocess.Popen[bytes]) -> None:
    """Interrupt, which lets pytest write what it measured; then kill it and all it started."""
    if running.poll() is None:
        running.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            running.wait(GRACE)
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()


# -------------------------------------------------------------------- the command
def card() -> str:
    """The name of the GPU, as a file may be called: "nvidia-h200"."""
    return re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name().lower()).strip("-")


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out all steps and print how each ended."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.gpu", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="little of it, on the processor")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gpu", help="the folder")
    given = parser.parse_args(arguments)
    if not given.dry_run and not torch.cuda.is_available():
        print(
            f"error: torch {torch.__version__} sees no GPU; --dry-run takes the processor",
            file=sys.stderr,
        )
        return 2
    folder: Path = given.out.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    run = folder / "dry-run.json" if given.dry_run else RUNS / f"{card()}.json"
    run.unlink(missing_ok=True)  # that of an earlier time is no result of this one
    device = "cpu" if given.dry_run else "cuda"
    ended = list(carry_out(steps(device, folder, run, dry=given.dry_run), folder))
    rows = [(e.step.name, e.how, f"{e.seconds:.0f}", f"{e.step.limit:.0f}") for e in ended]
    print("\n" + tabulate(rows, headers=("step", "", "seconds", "at most"), disable_numparse=True))
    print(f"in {folder}" + (f"; the run is {run}" if run.exists() else ""))
    return int(any(each.how != "passed" for each in ended))


if __name__ == "__main__":
    sys.exit(main())
