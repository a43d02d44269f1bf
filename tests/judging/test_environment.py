"""What a run says of the machine it ran on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from replications.judging import environment


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["claims/", "-k", "cosine"], "pytest claims/ -k cosine"),
        (
            ["--claims-json={folder}/l.json", "{folder}/m.json"],
            "pytest --claims-json=l.json m.json",
        ),
        (
            ["--claims-json", "ledgers/l.json", "-k=a/b"],
            "pytest --claims-json ledgers/l.json -k=a/b",
        ),
    ],
)
def test_a_command_names_no_folder_of_one_machine(
    given: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [argument.format(folder=tmp_path) for argument in given]
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "bin" / "pytest"), *arguments])
    assert environment.command() == said
