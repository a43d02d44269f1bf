"""`make gpu`: what fails or takes too long loses nothing else, and the dry run passes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import torch

from bench import gpu
from bench.gpu import Step

SLOW = """
import signal, subprocess, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path(sys.argv[1]).write_text(str(child.pid))
try:
    time.sleep(600)
except KeyboardInterrupt:
    print("written at the last moment")
"""


def test_a_step_that_fails_loses_no_other(tmp_path: Path) -> None:
    todo = [
        Step("fails", 60, ["-c", "print('seen'); raise SystemExit(3)"]),
        Step("passes", 60, ["-c", "print('also seen')"]),
    ]
    assert [each.how for each in gpu.carry_out(todo, tmp_path)] == ["failed (3)", "passed"]
    assert (tmp_path / "1-fails.txt").read_text() == "seen\n"
    assert (tmp_path / "2-passes.txt").read_text() == "also seen\n"


@pytest.mark.slow
def test_a_step_out_of_time_writes_what_it_has_and_leaves_no_process(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    todo = [
        Step("slow", 5, ["-c", SLOW, str(noted)]),
        Step("next", 60, ["-c", "print('seen')"]),
    ]
    assert [each.how for each in gpu.carry_out(todo, tmp_path)] == ["out of time", "passed"]
    assert "written at the last moment" in (tmp_path / "1-slow.txt").read_text()
    assert _ends(int(noted.read_text()))


def _ends(pid: int) -> bool:
    """Whether a process is gone, or about to be, within a few seconds."""
    for _ in range(50):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False


def test_no_step_starts_when_no_time_is_left(tmp_path: Path) -> None:
    todo = [Step("late", 60, ["-c", "print('seen')"])]
    assert [each.how for each in gpu.carry_out(todo, tmp_path, limit=gpu.GRACE)] == ["not run"]


@pytest.mark.parametrize("dry", [False, True])
def test_all_steps_together_keep_within_the_limit(tmp_path: Path, dry: bool) -> None:
    todo = gpu.steps("cuda", tmp_path, tmp_path / "run.json", dry=dry)
    assert sum(step.limit for step in todo) <= gpu.LIMIT
    assert len({step.name for step in todo}) == len(todo) == 6


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--out", str(tmp_path)]) == 2
    assert "sees no GPU; --dry-run takes the processor" in capsys.readouterr().err


@pytest.mark.slow
def test_the_dry_run_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # In a worker of pytest-xdist, pytest-benchmark measures nothing, and writes no run.
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    before = sorted(os.listdir(gpu.RUNS))
    assert gpu.main(["--dry-run", "--out", str(tmp_path)]) == 0
    assert sorted(os.listdir(gpu.RUNS)) == before
    ledgers = [json.loads((tmp_path / f"claims-{n}.json").read_text()) for n in ("here", "cpu")]
    assert ledgers[0]["rows"]
    assert len(ledgers[0]["rows"]) == len(ledgers[1]["rows"])
    run = json.loads((tmp_path / "dry-run.json").read_text())
    assert {"z-tutorial", "path-direct", "edges-tutorial"} == {
        each["extra_info"]["workload"] for each in run["benchmarks"] if each["extra_info"]
    }
