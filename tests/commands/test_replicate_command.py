"""The command replicate: what it prints and writes, what it does not do twice, what it refuses.

Tests of whole runs are slow: each imports torch three times, in processes of their own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from replications import cli, fixtures
from replications.commands import _replica, replicate
from replications.errors import BadInput
from replications.judging.claim import SubjectInfo
from replications.training import own_files, versions
from replications.training.replicas import Plan

Captured = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[2]
QUICK = ["list_update", "--recipe", "steps=2", "batch=8", "-k", "patch-l1-key-pairs"]


def run(*arguments: str | Path) -> int:
    return cli.main(["replicate", *map(str, arguments)])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of one seed by a recipe of two steps."""
    out = tmp_path_factory.mktemp("seeds")
    assert run(*QUICK, "--seeds", "17", "--out", out) == 0
    return out


def ledger(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "ledger.json").read_text(encoding="utf-8"))
    return found


# ---- what comes of it ---------------------------------------------------------------------------


@pytest.mark.slow
def test_the_ledger_has_a_row_of_a_subject_beyond_the_shipped_ones(done: Path) -> None:
    found = ledger(done)
    (row,) = found["rows"]
    assert (row["subject"], row["group"], row["kind"]) == ("seed17", "seeds", "retrained")
    assert (row["status"], row["outcome"]) == ("does not replicate", None)
    assert found["not_run"] == []
    assert found["environment"]["trained"].endswith(
        "train list_update --seed N --steps=2 --batch=8"
    )
    (weights,) = done.glob("*/list_update/seed17.safetensors")
    assert found["fixtures"]["list_update/seed17.safetensors"] == own_digest(weights)


def own_digest(path: Path) -> str:
    record = json.loads((path.parents[1] / "task.json").read_text(encoding="utf-8"))
    found: str = record["files"][f"list_update/{path.name}"]
    return found


@pytest.mark.slow
def test_what_is_done_is_not_done_again_and_the_rate_is_printed(
    done: Path, capsys: Captured
) -> None:
    before = ledger(done)["rows"]
    assert run(*QUICK, "--seeds", "17", "--out", done) == 0
    shown = capsys.readouterr().out
    assert "0/1 [0.00, 0.97]" in shown  # 1 - 0.025 = 0.975
    assert "of 2 tasks 0 done now, 2 found; 0 workers replaced; 0 failures" in shown
    assert ledger(done)["rows"] == before


@pytest.mark.slow
def test_nothing_but_results_and_the_ledger_is_left(done: Path) -> None:
    names = {path.name.rpartition("-")[0] or path.name for path in done.iterdir()}
    assert names - {".lock"} == {"ledger.json", "list_update-seed17", "list_update-seed17-claims"}


@pytest.mark.slow
def test_an_interrupted_run_says_so_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    command = ["replicate", "list_update", "--seeds", "17", "--recipe", "steps=1000000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "replications", *command, "--out", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / ".lock").exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.5)  # any moment will do: before the training begins, or in it
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "the same command goes on from there" in said
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == []


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nonsense", "--seeds", "0"], "unknown system 'nonsense'"),
        (["list_update", "--seeds", "3-1"], "give numbers and ranges"),
        (["list_update", "--seeds", "-1"], "give numbers and ranges"),
        (["list_update", "--seeds", "0,,1"], "give numbers and ranges"),
        (["list_update", "--seeds", "0", "--recipe", "stepps=3"], "the names are steps, batch"),
        (["list_update", "--seeds", "0", "--recipe", "steps=x"], "must be of the type int"),
        (["list_update", "--seeds", "0", "--recipe", "steps=0"], "steps must be positive"),
        (["list_update", "--seeds", "0", "--workers", "0"], "--workers must be at least 1"),
        (["list_update", "--seeds", "0", "--cluster", "x"], "give auto, host:port"),
        (["list_update", "--seeds", "0", "--claims-json", "/no/x"], "its folder does not exist"),
    ],
)
def test_bad_options_are_one_line(
    arguments: list[str], reason: str, tmp_path: Path, capsys: Captured
) -> None:
    seeds = [f"--seeds={arguments[2]}"] if arguments[1] == "--seeds" else []
    assert run(arguments[0], *seeds, *arguments[3:], "--out", tmp_path) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1


def test_two_runs_do_not_work_in_one_folder(tmp_path: Path, capsys: Captured) -> None:
    with FileLock(tmp_path / ".lock"):
        assert run(*QUICK, "--seeds", "0", "--out", tmp_path) == 2
    assert "another run works in" in capsys.readouterr().err


def test_seeds_are_numbers_and_ranges_each_once() -> None:
    assert replicate.seeds("3,0-2, 8-9,1") == (0, 1, 2, 3, 8, 9)


# ---- addresses and files ------------------------------------------------------------------------


def plan(**changed: Any) -> Plan:
    given: dict[str, Any] = {"fields": {"steps": 1000}} | changed
    module = "replications.systems.list_update.train"
    return Plan(recipe="list_update", seeds=(0,), module=module, **given)


def test_the_address_of_training_depends_on_seed_recipe_and_code() -> None:
    task = plan().training(0)
    assert task.address == plan(chosen="x", device="cuda").training(0).address
    others = [plan().training(1), plan(fields={"steps": 999}).training(0)]
    assert task.address not in [other.address for other in others]
    assert task.key["code"] != versions.code_of_training("replications.systems.brackets.train")


def test_the_address_of_judging_depends_on_the_weights_and_the_shipped_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = {"list_update/seed0.safetensors": b"1"}
    address = plan().judging(0, made).address
    assert address != plan().judging(0, {"list_update/seed0.safetensors": b"2"}).address
    listed = dict(fixtures.manifest())
    del listed["list_update/seed1.safetensors"]
    monkeypatch.setattr(fixtures, "manifest", lambda: listed)
    assert address != plan().judging(0, made).address


def test_the_code_of_training_is_all_that_the_recipe_imports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[Path] = []

    def keep(paths: Iterable[Path]) -> str:
        read.extend(paths)
        return ""

    monkeypatch.setattr(versions, "_digest", keep)
    versions.code_of_training("replications.systems.list_update.train")
    names = {path.relative_to(versions.PACKAGE).as_posix() for path in read}
    assert {"systems/list_update/data.py", "training/loop.py", "errors.py"} <= names
    assert not [name for name in names if name.startswith(("report", "systems/brackets"))]


def test_the_manifest_of_a_model_lists_the_shipped_files_of_its_system_and_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"list_update/seed0.safetensors": b"12", "list_update/seed17.safetensors": b"1"}
    text = own_files.manifest("list_update", own, "python -m replications train …")
    shipped = {n: e for n, e in fixtures.manifest().items() if n.startswith("list_update/")}
    (tmp_path / "manifest.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("REPLICATIONS_MANIFEST", str(tmp_path / "manifest.toml"))
    listed = fixtures.manifest()
    assert {n: e for n, e in listed.items() if n not in own} == {
        n: e for n, e in shipped.items() if n not in own
    }
    assert [listed[name].bytes for name in own] == [2, 1]


def test_the_subject_of_a_file_is_the_one_that_reads_it_first() -> None:
    infos = (
        SubjectInfo("s", "a", "g", "toy", True, ("s/a", "s/b")),
        SubjectInfo("s", "b", "g", "toy", True, ("s/b", "s/a")),
    )
    found = _replica.subject_of("s/b", infos)
    assert (found.name, found.gates) == ("b", False)
    with pytest.raises(BadInput, match="no subject is opened from s/c"):
        _replica.subject_of("s/c", infos)
