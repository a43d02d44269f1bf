"""Every system has the same files, so that learning one teaches all."""

from __future__ import annotations

from pathlib import Path

import pytest

from replications.systems import SYSTEMS

ROOT = Path(__file__).parents[2]
FILES = (
    "__init__.py", "data.py", "model.py", "task.py", "roles.py", "measure.py",
    "measurements/__init__.py", "infos.py", "subjects.py", "train.py", "lesions.py", "figures.py",
)  # fmt: skip


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_has_every_file(system: str) -> None:
    folder = ROOT / "replications" / "systems" / system
    # A file that grew too long is a package of the same name.
    missing = [
        name
        for name in FILES
        if not (folder / name).exists()
        and not (folder / name.removesuffix(".py") / "__init__.py").exists()
    ]
    assert missing == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_is_claimed_tested_and_shipped(system: str) -> None:
    for folder in (f"claims/{system}", f"tests/systems/{system}", f"fixtures/{system}"):
        assert (ROOT / folder).is_dir(), folder
