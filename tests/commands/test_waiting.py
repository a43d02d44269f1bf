"""Threads that wait give up their core, unless users chose otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from replications.commands.waiting import SLEEP_SOON, let_threads_sleep

ROOT = Path(__file__).parents[2]
CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
COMMAND_THEN_TORCH = """
from replications import cli
try:
    cli.main(["--version"])
except SystemExit:
    import torch
    torch.ones(9).sum()
"""


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CHOICES:
        # Set first, so that what a test puts there is removed again.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def chosen() -> dict[str, str]:
    return {name: os.environ[name] for name in CHOICES if name in os.environ}


def test_they_sleep_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    let_threads_sleep()
    assert chosen() == SLEEP_SOON


@pytest.mark.parametrize("name", CHOICES)
def test_what_users_chose_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setenv(name, "7")
    let_threads_sleep()
    assert chosen() == {name: "7"}


def test_nothing_is_set_where_torch_has_decided_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    let_threads_sleep()
    assert chosen() == {}


@pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP shows what it read")
def test_the_command_line_decides_before_torch_reads_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND_THEN_TORCH],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
        env=os.environ | {"OMP_DISPLAY_ENV": "verbose"},
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr
