"""What all commands share: help with examples, progress on a terminal only, and Ctrl-C."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from replications import cli
from replications.commands import PROGRAM, STATUSES, claims
from replications.drift import fingerprint as trace
from tests import terminal

ROOT = Path(__file__).parents[2]
Captured = pytest.CaptureFixture[str]


# ---- help ---------------------------------------------------------------------------------------


def parsers(top: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, str]]:
    """Every command with its help, also commands of commands."""
    yield name, top.format_help()
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, parser in action.choices.items():
                yield from parsers(parser, f"{name} {word}".strip())


HELP = dict(parsers(cli.parser()))


def examples(text: str) -> list[str]:
    """The commands that a help shows, each in one line."""
    shown = text.partition("examples:\n")[2].partition("exit status:")[0].replace("\\\n", " ")
    return [line.strip() for line in shown.splitlines() if PROGRAM in line.split("`")[0]]


@pytest.mark.parametrize("name", HELP)
def test_every_command_shows_examples_and_its_exit_statuses(name: str) -> None:
    assert STATUSES.strip() in HELP[name]
    assert 2 <= len(examples(HELP[name])) <= 5
    assert max(map(len, HELP[name].splitlines())) <= 110


@pytest.mark.parametrize("line", [line for text in HELP.values() for line in examples(text)])
def test_every_example_can_be_typed(line: str) -> None:
    words = shlex.split(line.partition(PROGRAM)[2])
    if "--help" in words:
        return
    assert callable(cli.parser().parse_args(words).run)


@pytest.mark.parametrize("name", HELP)
def test_an_example_is_of_its_own_command(name: str) -> None:
    assert all(f"{PROGRAM} {name}".strip() in line for line in examples(HELP[name]))


# ---- claims -------------------------------------------------------------------------------------


def test_claims_gives_its_options_to_pytest_and_returns_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "conftest.py").touch()
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (tmp_path / "claims" / "test_it.py").write_text("def test_a(): 1 / 0\ndef test_b(): pass\n")
    monkeypatch.setattr(claims, "REPOSITORY", tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    assert cli.main(["claims", "-k", "test_a", "-q"]) == 1
    assert cli.main(["claims", "-q", "-k", "test_b"]) == 0
    assert cli.main(["claims", "--no-such-option"]) == 4
    assert cli.main(["claims", "-k", "test_c"]) == 5


def test_claims_that_are_nowhere_are_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(claims, "REPOSITORY", tmp_path)
    assert cli.main(["claims"]) == 2
    assert "install the package again" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_help_of_claims_is_ours(option: str, capsys: Captured) -> None:
    assert cli.main(["claims", option]) == 0
    assert capsys.readouterr().out == HELP["claims"]


# ---- progress and Ctrl-C ------------------------------------------------------------------------


@pytest.mark.parametrize("in_terminal", [True, False], ids=["terminal", "pipe"])
def test_trace_shows_progress_on_a_terminal_only(
    in_terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "fingerprint", lambda opener: {"tokens": "same"})
    with terminal.stream(terminal=in_terminal) as (stderr, shown):
        monkeypatch.setattr(sys, "stderr", stderr)
        assert cli.main(["trace", str(tmp_path / "t.json"), "toys/a", "toys/b"]) == 0
        stderr.flush()
        said = terminal.read(shown)
    assert ("2/2" in said) == in_terminal
    assert bool(said) == in_terminal


def test_an_interrupt_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def interrupted(*arguments: object) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(trace, "write", interrupted)
    assert cli.main(["trace", "out.json"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.slow
def test_training_in_a_terminal_shows_its_steps_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    options = ["--seed", "1", "--steps", "100000", "--out", str(tmp_path / "weights")]
    leader, follower = terminal.opened()
    command = [sys.executable, "-m", "replications", "train", "list_update", *options]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=follower, preexec_fn=_heed_ctrl_c
    ) as process:
        os.close(follower)
        shown = b""
        while not re.search(rb"seed 1: .* [1-9]\d*/100000", shown):
            shown += os.read(leader, 65536)
        process.send_signal(signal.SIGINT)
        while process.poll() is None:
            shown += _rest(leader)
        shown += _rest(leader)
    os.close(leader)
    assert process.returncode == 130
    assert shown.decode().rstrip().endswith("interrupted")
    assert "Traceback" not in shown.decode()
    assert list(tmp_path.iterdir()) == []


def _heed_ctrl_c() -> None:
    """Tests that were started in the background ignore it, and so would the program."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _rest(leader: int) -> bytes:
    """What the terminal still shows; nothing once the program has let go of it."""
    try:
        return os.read(leader, 65536)
    except OSError:
        return b""
