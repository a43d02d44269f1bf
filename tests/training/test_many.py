"""Tasks that are done once: addresses, what is kept, who dies, and the order of the work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from replications import files
from replications.errors import BadInput
from replications.training import many
from replications.training.many import Result, Store, Task
from replications.training.workers import Local, perform
from tests.training import counting

ROOT = Path(__file__).parents[2]
TASK = Task("a", ("-c", "open('made', 'w').write('1')"), ("made",), key={"seed": 0})


def fault(task: Task, result: Result) -> str:
    return f"status {result.status}" if result.status else ""


def run(
    folder: Path, tasks: list[Task], workers: int = 1
) -> tuple[many.Report, dict[str, dict[str, str]]]:
    """The report, and the texts of the files kept of each task, by label."""
    found: dict[str, dict[str, str]] = {}

    def done(task: Task, place: Path) -> None:
        files = [p for p in place.iterdir() if p.name != many.RECORD]
        found[task.label] = {path.name: path.read_text() for path in files}

    executor = Local(workers)
    try:
        return many.run(tasks, executor, Store(folder), fault=fault, done=done), found
    finally:
        executor.close()


# ---- addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"arguments": ("-c", "pass")},
        {"makes": ("other",)},
        {"key": {"seed": 1}},
        {"inputs": {"x": b"1"}},
        {"settings": {"A": "1"}},
        {"place": "within"},
    ],
)
def test_the_address_depends_on_everything_but_the_label(changed: dict[str, object]) -> None:
    assert replace(TASK, **changed).address != TASK.address  # type: ignore[arg-type]
    assert replace(TASK, label="b").address == TASK.address


def test_the_address_depends_on_the_content_of_inputs_not_on_their_order() -> None:
    one = replace(TASK, inputs={"x": b"1", "y": b"2"})
    assert one.address == replace(TASK, inputs={"y": b"2", "x": b"1"}).address
    assert one.address != replace(TASK, inputs={"x": b"1", "y": b"3"}).address


# ---- one task -----------------------------------------------------------------------------------


def test_a_task_has_its_inputs_settings_and_place() -> None:
    code = "import os; open('made', 'w').write(open(os.environ['GIVEN']).read() + os.getcwd()[-6:])"
    task = Task(
        "a", ("-c", code), ("within/*",), place="within",
        inputs={"x/y": b"in "}, settings={"GIVEN": "{folder}/x/y"},
    )  # fmt: skip
    result = perform(task)
    assert (result.status, dict(result.made)) == (0, {"within/made": b"in within"})


def test_the_end_of_the_output_is_kept() -> None:
    result = perform(replace(TASK, arguments=("-c", "print('first'); raise SystemExit('last')")))
    assert (result.status, result.last_line) == (1, "last")
    assert not result.died


def test_a_program_that_is_killed_has_died() -> None:
    code = f"import os; os.kill(os.getpid(), {signal.SIGKILL:d})"
    assert perform(replace(TASK, arguments=("-c", code))).died


# ---- the loop -----------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_done_twice(tmp_path: Path, workers: int) -> None:
    tasks = counting.tasks(tmp_path / "count", 3)
    report, first = run(tmp_path / "out", tasks, workers)
    assert (report.done, report.failures) == (3, [])
    again, second = run(tmp_path / "out", [*tasks, *counting.tasks(tmp_path / "count", 4)], 1)
    assert again.done == 1
    assert counting.begun(tmp_path / "count") == [0, 1, 2, 3]
    assert first == {f"task{i}": {"made": f"{i * i}"} for i in range(3)}
    assert second == first | {"task3": {"made": "9"}}


def test_a_task_that_builds_on_another_follows_it(tmp_path: Path) -> None:
    made = []

    def done(task: Task, place: Path) -> Task | None:
        made.append(task.label)
        return replace(TASK, label=f"after {task.label}", key={"after": task.address}) \
            if not task.label.startswith("after") else None  # fmt: skip

    executor = Local(1)
    tasks = [TASK, replace(TASK, label="b", key={"seed": 1})]
    report = many.run(tasks, executor, Store(tmp_path), fault=fault, done=done)
    executor.close()
    assert (made, report.done) == (["a", "after a", "b", "after b"], 4)


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    report, found = run(tmp_path / "out", counting.tasks(tmp_path / "count", 2, dies=1))
    assert (report.replaced, report.failures) == (1, [])
    assert counting.begun(tmp_path / "count") == [0, 1, 1]
    assert found["task1"] == {"made": "1"}


def test_a_task_whose_workers_all_die_is_a_failure_and_the_others_are_done(tmp_path: Path) -> None:
    always = replace(TASK, label="deadly", arguments=("-c", "import os; os.abort()"))
    report, found = run(tmp_path, [always, TASK])
    (failure,) = report.failures
    assert "3 times" in failure.reason
    assert list(found) == ["a"]


def test_what_fails_is_tried_again_by_the_next_run(tmp_path: Path) -> None:
    bad = replace(TASK, arguments=("-c", "raise SystemExit('no')"))
    for _ in range(2):
        report, _ = run(tmp_path, [bad])
        assert [f.reason for f in report.failures] == ["status 1"]


# ---- what is kept -------------------------------------------------------------------------------


def test_a_result_that_was_changed_is_refused(tmp_path: Path) -> None:
    run(tmp_path, [TASK])
    place = Store(tmp_path).place(TASK)
    assert json.loads((place / many.RECORD).read_text())["address"] == TASK.address
    (place / "made").write_text("2")
    with pytest.raises(BadInput, match="was changed"):
        run(tmp_path, [TASK])


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "put", full)
    with pytest.raises(BadInput, match="No space left"):
        run(tmp_path, [TASK])
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_leaves_no_program_behind_and_goes_on(tmp_path: Path) -> None:
    count, out = tmp_path / "count", tmp_path / "out"
    command = [sys.executable, "-m", "tests.training.counting", str(count), str(out)]
    started = subprocess.Popen(command, cwd=ROOT)
    slow = wait_for(count / "slow")
    started.kill()
    started.wait()
    wait_until_gone(int(slow.read_text()))
    (count / "wait").unlink()
    report, _ = run(out, counting.tasks(count, 2))
    assert report.done == 1  # the first was kept, and only the slow one is done again


def wait_for(path: Path) -> Path:
    for _ in range(1200):
        if path.exists() and path.read_text():
            return path
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")


def wait_until_gone(process: int) -> None:
    for _ in range(400):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        if "Z" in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2][:3]:
            return
        time.sleep(0.05)
    raise AssertionError("the program still runs")
