"""What was measured is in the ledger, however a run ends; --resume measures the rest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fake_board import HEAD
from tests.fake_runs import MODULE, WITHOUT, Run, last_line

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
# Without claims/conftest.py, which takes seconds to import, and with what it says to pytest-xdist.
PLUGINS = ("replications.pytest_plugin.plugin", "tests.fake_board", "xdist.plugin", *WITHOUT)
OPTIONS = [word for name in PLUGINS for word in ("-p", name)]
CONFTEST = """
import pytest

@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from replications.pytest_plugin.scheduling import ClaimScheduling

    return ClaimScheduling(config, log)
"""
ENDS = """
import os, signal, time
from pathlib import Path

def first_time(what):
    # Ends the first run only, so that a second one can finish.
    mark = Path("ended")
    if not mark.exists():
        mark.touch()
        what()
"""
CLAIM = """
@claim("fake/claim{i}", says="It is not negative.", source=SOURCE, expect={{"seeds": at_least(0)}},
       control=instead("its negative", lambda subject: -1.0 - subject.value))
def test_claim{i}(subject):
    {what}
    return subject.value
"""
KILLED = "subject.value == 1 and first_time(lambda: os.kill(os.getpid(), signal.SIGKILL))"
WAITS = "subject.value == 1 and first_time(lambda: time.sleep(100))"
ROWS = {(f"fake/claim{i}", f"seed{s}") for i in range(4) for s in range(3)}
TWO = ("-n", "2", "--dist", "loadgroup")


def write(folder: Path, what: str) -> None:
    """Four claims of three subjects; on seed1 the third one does `what`."""
    bodies = (CLAIM.format(i=i, what=what if i == 2 else "pass") for i in range(4))
    (folder / MODULE).write_text(HEAD + ENDS + "".join(bodies))
    (folder / "conftest.py").write_text(CONFTEST)


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pytest", *OPTIONS, *options]
    # Other plugins that are installed here would take half a second of every process.
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment = {**os.environ, **alone, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A program in the background may have been told to ignore it, and its children with it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(folder: Path, *options: str) -> tuple[int, str]:
    """The exit status and the output of a run, which must end within a minute and a half."""
    process = start(folder, *options)
    output, _ = process.communicate(timeout=90)
    return process.returncode, output


def ledger(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "claims.json").read_text())
    return found


def keys(entries: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(entry["claim"], entry["subject"]) for entry in entries}


def without_seconds(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: row[key] for key in row if key != "seconds"} for row in content["rows"]]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The rows of a run that nothing ends."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write(folder, "pass")
    assert finish(folder, "--claims-json", "claims.json")[0] == 0
    return without_seconds(ledger(folder))


def resumes(folder: Path, undisturbed: list[dict[str, Any]]) -> None:
    """--resume completes the ledger of a folder, row for row, and measures what lacked alone."""
    before = len(ledger(folder)["rows"])
    status, output = finish(folder, "--resume", "claims.json")
    assert status == 0, output
    assert f"{len(ROWS) - before} passed" in output
    assert without_seconds(ledger(folder)) == undisturbed
    assert ledger(folder)["not_run"] == []


def test_a_killed_worker_costs_one_row(tmp_path: Path, undisturbed: list[dict[str, Any]]) -> None:
    write(tmp_path, KILLED)
    status, output = finish(tmp_path, *TWO, "--claims-json", "claims.json")
    assert status == 1, output
    lost = {("fake/claim2", "seed1")}
    assert keys(ledger(tmp_path)["not_run"]) == lost
    assert keys(ledger(tmp_path)["rows"]) == ROWS - lost
    assert "lost: fake/claim2 on seed1: " in output
    assert output.rstrip().endswith("1 rows were LOST")
    resumes(tmp_path, undisturbed)


@pytest.mark.parametrize(
    "workers",
    [
        pytest.param((), id="alone"),
        pytest.param(TWO, id="two workers", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_an_interrupted_run_keeps_what_it_measured(
    tmp_path: Path,
    undisturbed: list[dict[str, Any]],
    number: signal.Signals,
    workers: tuple[str, ...],
) -> None:
    write(tmp_path, WAITS)
    process = start(tmp_path, *workers, "--claims-json", "claims.json")
    until = time.monotonic() + 60
    while not (tmp_path / "ended").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(0.5)  # for what the other worker has measured to arrive
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    content = ledger(tmp_path)
    assert keys(content["rows"]) | keys(content["not_run"]) == ROWS
    assert {("fake/claim0", "seed0"), ("fake/claim1", "seed1")} <= keys(content["rows"])
    assert ("fake/claim2", "seed1") in keys(content["not_run"])
    resumes(tmp_path, undisturbed)


def test_a_full_disk_is_said_and_the_ledger_is_elsewhere(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    from replications import files

    put = files.put

    def full(path: Path, content: bytes) -> None:
        if path.parent == Path():
            raise OSError(28, "No space left on device")
        put(path, content)

    monkeypatch.setattr("replications.judging.ledger.files.put", full)
    monkeypatch.setattr("tempfile.tempdir", str(pytester.path))
    result = run(CLAIM.format(i=0, what="pass"))
    assert result.ret == 1
    said, _, place = last_line(result).partition("; it is in ")
    assert said == "the ledger was NOT WRITTEN: claims.json: No space left on device"
    assert len(json.loads(Path(place).read_text())["rows"]) == 3


# ---- what --resume refuses ----------------------------------------------------------------------


def test_a_failure_of_the_earlier_run_still_fails(run: Run, pytester: pytest.Pytester) -> None:
    negative = CLAIM.format(i=0, what="return -1.0")
    assert run(negative).ret == 1
    result = run(negative, "--resume", "claims.json")
    assert result.ret == 1
    assert "3 fail" in last_line(result)


def test_rows_of_other_software_are_refused(run: Run, pytester: pytest.Pytester) -> None:
    run(CLAIM.format(i=0, what="pass"))
    file = pytester.path / "claims.json"
    content = json.loads(file.read_text())
    content["environment"]["torch"] = "1.0"
    file.write_text(json.dumps(content))
    result = run(CLAIM.format(i=0, what="pass"), "--resume", "claims.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--resume claims.json: it was measured with torch 1.0, this run*"]
    )
    assert json.loads(file.read_text()) == content


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--resume", "none.json"), "*--resume: cannot read the ledger none.json*"),
        (("--resume", "claims.json", "--no-controls"), "*its rows were judged with their controls"),
    ],
)
def test_ledgers_that_cannot_be_continued(run: Run, options: tuple[str, ...], words: str) -> None:
    run(CLAIM.format(i=0, what="pass"))
    result = run(CLAIM.format(i=0, what="pass"), *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([words])
