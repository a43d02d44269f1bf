"""Running tasks: one in a process of its own, and several side by side on this machine."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import IO

from replications.training.many import Result, Task

ROOT = Path(__file__).resolve().parents[2]
"""Where the suite is imported from."""
SUPERVISOR = Path(__file__).with_name("supervisor.py")
OUTPUT_KEPT = 20_000
"""How many characters from the end of a program's output are kept."""


class Processes:
    """The programs that are under way. Once they were stopped, no other starts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(
        self, command: list[str], folder: Path, variables: dict[str, str], output: IO[bytes]
    ) -> int:
        """Run a program to its end; its exit status, negative or above 128 for a signal."""
        with self._lock:
            if self._stopped:
                return -signal.SIGKILL
            process = subprocess.Popen(
                [sys.executable, "-P", str(SUPERVISOR), *command],
                cwd=folder,
                env=variables,
                stdin=subprocess.PIPE,  # it closes when we die, and the supervisor ends the rest
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone, and we end its whole group
            )
            self._running.add(process)
        try:
            return process.wait()
        finally:
            _kill(process)
            self._running.discard(process)
            assert process.stdin is not None
            process.stdin.close()

    def stop(self) -> None:
        """Kill every program with all that it started."""
        with self._lock:
            self._stopped = True
            for process in list(self._running):
                _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    # What it started may outlive it, so its group is killed even when it has ended.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def perform(task: Task, processes: Processes | None = None) -> Result:
    """Run a task in a temporary folder, which is removed afterwards."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="task-") as made, tempfile.TemporaryFile() as output:
        folder = Path(made)
        for name, content in task.inputs.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        (folder / task.place).mkdir(parents=True, exist_ok=True)
        command = [sys.executable, *task.arguments]
        variables = _variables(task, folder)
        status = (processes or Processes()).run(command, folder / task.place, variables, output)
        output.seek(0)
        text = output.read().decode("utf-8", errors="replace")
        seconds = time.perf_counter() - started
        return Result(status, _made(task, folder), text[-OUTPUT_KEPT:], platform.node(), seconds)


def _variables(task: Task, folder: Path) -> dict[str, str]:
    """The environment of a task: the suite it imports is this one.

    Unbuffered, so that what a task says and what it fails with stay in their order.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    given = {name: value.replace("{folder}", str(folder)) for name, value in task.settings.items()}
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **given}


def _made(task: Task, folder: Path) -> dict[str, bytes]:
    found = {path for pattern in task.makes for path in folder.glob(pattern) if path.is_file()}
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(found)}


class Local:
    """Tasks in processes of this machine, `workers` at once. A death costs one task."""

    def __init__(self, workers: int) -> None:
        self.slots = workers
        self._processes = Processes()
        self._threads = ThreadPoolExecutor(workers)
        self._under_way: dict[Future[Result], Task] = {}

    def start(self, task: Task) -> None:
        """Begin a task."""
        self._under_way[self._threads.submit(perform, task, self._processes)] = task

    def next(self) -> tuple[Task, Result]:
        """Wait for a task to end. Raises what running it raised, such as OSError."""
        ended, _ = wait(self._under_way, return_when=FIRST_COMPLETED)
        future = ended.pop()
        return self._under_way.pop(future), future.result()

    def close(self) -> None:
        """Kill what is under way."""
        self._processes.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)
