"""Many tasks, each done once: content addresses, the folder of what is done, and the loop.

A task is a program that turns given files into others, and everything it depends on is in its
address. What is done is kept in a folder under that address, whole or not at all, so an
interrupted run goes on, and the files are the same wherever the program ran.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from replications import files
from replications.errors import BadInput

ATTEMPTS = 3
"""How often a task is begun before a worker that dies with it counts as a failure."""
RECORD = "task.json"
"""What a folder of results says about its task."""
DIED = 128
"""Exit statuses above this one are those of a program that a signal ended."""


@dataclass(frozen=True)
class Task:
    """A Python program that runs in a folder of its own, and all that its files depend on.

    `arguments` follow `python`, in the subfolder `place`. `inputs` are files of the folder, by
    relative path, and `makes` are patterns of the files to keep. In `settings`, environment
    variables, "{folder}" stands for the folder. `key`, in JSON types, holds what else the result
    depends on, such as versions.
    """

    label: str
    arguments: tuple[str, ...]
    makes: tuple[str, ...]
    key: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, bytes] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    place: str = ""

    def described(self) -> dict[str, Any]:
        """The task in JSON types, its inputs by their sha256."""
        return {
            "arguments": list(self.arguments),
            "makes": list(self.makes),
            "key": dict(self.key),
            "inputs": {name: hashlib.sha256(c).hexdigest() for name, c in self.inputs.items()},
            "settings": dict(self.settings),
            "place": self.place,
        }

    @property
    def address(self) -> str:
        """The sha256 of what `described` gives. The label is not part of it."""
        text = json.dumps(self.described(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()


@dataclass(frozen=True)
class Result:
    """What became of a task: exit status, the files that it made, and the end of its output.

    `status` is None where a whole worker was lost, so that nothing came back.
    """

    status: int | None
    made: Mapping[str, bytes]
    output: str
    host: str = ""
    seconds: float = 0.0

    @property
    def died(self) -> bool:
        """Whether the program was killed, rather than ended by itself."""
        return self.status is None or self.status < 0 or self.status > DIED

    @property
    def last_line(self) -> str:
        """The last line of output that is not empty."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else "it printed nothing"


@dataclass(frozen=True)
class Failure:
    """A task that could not be done, and why, in one line."""

    task: Task
    reason: str
    output: str


@dataclass
class Report:
    """What came of a run beside the files: tasks `done` now, workers `replaced`, and failures."""

    done: int = 0
    replaced: int = 0
    failures: list[Failure] = field(default_factory=list)


class Executor(Protocol):
    """Where tasks run."""

    slots: int
    """How many tasks may be under way at once."""

    def start(self, task: Task) -> None:
        """Begin a task."""

    def next(self) -> tuple[Task, Result]:
        """Wait for a task to end. Call it only while one is under way."""

    def close(self) -> None:
        """End everything that is under way."""


# ----------------------------------------------------------------------------- what is done
class Store:
    """A folder with one subfolder for each task that is done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, task: Task) -> Path:
        """The subfolder of a task: its label and the beginning of its address."""
        return self.folder / f"{task.label}-{task.address[:12]}"

    def find(self, task: Task) -> Path | None:
        """The subfolder of a task that is done, else None. Raises BadInput if it is not whole."""
        place = self.place(task)
        if not place.exists():
            return None
        try:
            record = json.loads((place / RECORD).read_text(encoding="utf-8"))
            whole = record["address"] == task.address and all(
                _digest(place / name) == digest for name, digest in record["files"].items()
            )
        except (OSError, ValueError, TypeError, KeyError):
            whole = False
        if not whole:
            raise BadInput(f"{place} was changed after it was written: remove it")
        return place

    def keep(self, task: Task, result: Result) -> Path:
        """Keep what a task made; its subfolder. Raises BadInput if it cannot be written."""
        part = self.folder / f".part-{os.getpid()}"
        record = {
            "address": task.address,
            "task": task.described(),
            "files": {n: hashlib.sha256(c).hexdigest() for n, c in sorted(result.made.items())},
            "host": result.host,
            "seconds": round(result.seconds, 1),
        }
        try:
            shutil.rmtree(part, ignore_errors=True)
            for name, content in result.made.items():
                (part / name).parent.mkdir(parents=True, exist_ok=True)
                files.put(part / name, content)
            files.put(part / RECORD, (json.dumps(record, indent=1) + "\n").encode("utf-8"))
            os.rename(part, self.place(task))
        except OSError as exc:
            raise BadInput(f"cannot write {self.place(task)}: {exc.strerror or exc}") from exc
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return self.place(task)

    def clear(self) -> None:
        """Remove what a run that was killed left half-written."""
        for part in self.folder.glob(".part-*"):
            shutil.rmtree(part, ignore_errors=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# ----------------------------------------------------------------------------- the loop
def run(
    tasks: Iterable[Task],
    executor: Executor,
    store: Store,
    *,
    fault: Callable[[Task, Result], str],
    done: Callable[[Task, Path], Task | None],
) -> Report:
    """Do every task that is not done yet.

    `fault` says what is wrong with the result of a program that ended, "" if nothing is; only then
    is it kept. `done` gets the folder of each task, done now or before, and returns the task that
    builds on it, if there is one. A task whose worker dies is begun again, `ATTEMPTS` times in all.
    """
    waiting, under_way = deque(tasks), 0
    begun: Counter[str] = Counter()
    report = Report()
    while waiting or under_way:
        if waiting and under_way < executor.slots:
            task = waiting.popleft()
            found = store.find(task)
            if found is None:
                executor.start(task)
                begun[task.address] += 1
                under_way += 1
                continue
        else:
            task, result = executor.next()
            under_way -= 1
            if result.died and begun[task.address] < ATTEMPTS:
                waiting.appendleft(task)
                report.replaced += 1
                continue
            reason = _killed(result) if result.died else fault(task, result)
            if reason:
                report.failures.append(Failure(task, reason, result.output))
                continue
            found = store.keep(task, result)
            report.done += 1
        following = done(task, found)
        if following is not None:
            waiting.appendleft(following)
    return report


def _killed(result: Result) -> str:
    how = "its worker was lost" if result.status is None else f"killed, status {result.status}"
    return f"{how}, {ATTEMPTS} times: {result.last_line}"
