"""Small tasks that write down when they begin; as a program, a run that is to be killed.

    python -m tests.training.counting COUNT OUT

does task 0, and in task 1 writes the number of its process and waits.
"""

from __future__ import annotations

import sys
from pathlib import Path

from replications.training import many
from replications.training.many import Store, Task
from replications.training.workers import Local

CODE = """
import os, sys, time
number, count, dies = sys.argv[1:]
os.makedirs(count, exist_ok=True)
with open(os.path.join(count, "begun"), "a") as file:
    file.write(number + " ")
mark = os.path.join(count, "died")
if number == dies and not os.path.exists(mark):
    open(mark, "w").close()
    os.kill(os.getpid(), 9)
if os.path.exists(os.path.join(count, "wait")) and number == "1":
    with open(os.path.join(count, "slow"), "w") as file:
        file.write(str(os.getpid()))
    time.sleep(600)
open("made", "w").write(str(int(number) ** 2))
"""


def tasks(count: Path, n: int, *, dies: int = -1) -> list[Task]:
    """Tasks that square their number; the first worker of task `dies` is killed."""
    arguments = [("-c", CODE, str(i), str(count), str(dies)) for i in range(n)]
    return [Task(f"task{i}", given, ("made",)) for i, given in enumerate(arguments)]


def begun(count: Path) -> list[int]:
    """The numbers of the tasks that began, in order."""
    return sorted(map(int, (count / "begun").read_text().split()))


if __name__ == "__main__":
    where, out = map(Path, sys.argv[1:])
    where.mkdir()
    out.mkdir()
    (where / "wait").touch()
    many.run(
        tasks(where, 2), Local(1), Store(out), fault=lambda _task, _result: "",
        done=lambda _task, _place: None,
    )  # fmt: skip
