"""The matrix: what its environments are given."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def noxfile() -> Iterator[ModuleType]:
    # nox finds its sessions, and warns if it finds them twice: once for all tests.
    spec = importlib.util.spec_from_file_location("_noxfile", ROOT / "noxfile.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["nox"])
        patch.chdir(ROOT)
        spec.loader.exec_module(module)
        yield module


class Session:
    """As much of a nox session as `install` uses."""

    def __init__(self, folder: Path) -> None:
        self.virtualenv = SimpleNamespace(location=folder)
        self.asked: list[str] = []

    def install(self, *arguments: str) -> None:
        self.asked += arguments


def test_an_environment_has_what_the_options_of_its_runs_need(
    noxfile: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPLICATIONS_TORCH", raising=False)
    session = Session(tmp_path)
    noxfile.install(session, "4.3.0")
    names = {re.split(r"[<>=\[ ]", asked)[0] for asked in session.asked}
    assert {"pytest", "pytest-xdist", "hypothesis", "torch", "tokenizers"} <= names
    assert "transformer_lens==4.3.0" in session.asked
    assert not any(asked.startswith("transformer_lens>=") for asked in session.asked)


def test_an_environment_that_lacks_nothing_is_left_alone(
    noxfile: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPLICATIONS_TORCH", raising=False)
    noxfile.install(Session(tmp_path), "4.3.0")
    again = Session(tmp_path)
    noxfile.install(again, "4.3.0")
    assert again.asked == []
