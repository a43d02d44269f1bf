"""What `pip install` of the wheel gives: the plugin for any repository, and the shipped claims.

The project comes from the wheel alone: that in the folder REPLICATIONS_WHEEL, else one built here.
What it depends on is borrowed from the environment that runs the tests; with REPLICATIONS_FRESH=1
pip installs it, REPLICATIONS_TORCH first.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import replications
from tests import model_folders

pytestmark = pytest.mark.packaging
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "adding-a-claim.md"
PYTEST = ("python", "-m", "pytest")
SELECTED = ("-k", "ov-1.0-copies and seed0")
"""One quick claim that is shipped, on one subject that is shipped."""


@dataclass(frozen=True)
class Installed:
    """A virtual environment that holds the wheel."""

    folder: Path

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run one of its programs in a folder, with nothing of the checkout in its reach."""
        ours = ("PYTHON", "REPLICATIONS_", "PYTEST_")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        clean |= {"PYTHONDONTWRITEBYTECODE": "1", "REPLICATIONS_CACHE": str(cwd / "no cache")}
        program = str(self.folder / "bin" / command[0])
        return subprocess.run(
            [program, *command[1:]],
            cwd=cwd,
            env=clean,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )

    @property
    def package(self) -> Path:
        """The folder of the installed package."""
        (found,) = self.folder.glob("lib/python*/site-packages/replications")
        return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout unless REPLICATIONS_WHEEL names a folder with one."""
    target = tmp_path_factory.mktemp("wheel")
    if given := os.environ.get("REPLICATIONS_WHEEL"):
        (built,) = (ROOT / given).glob("*.whl")
        return built
    _call(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(target), str(ROOT))
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an environment of its own."""
    folder = tmp_path_factory.mktemp("environment")
    _call(sys.executable, "-m", "venv", str(folder))
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q"]
    if os.environ.get("REPLICATIONS_FRESH") == "1":
        torch = shlex.split(os.environ.get("REPLICATIONS_TORCH", ""))
        if torch:
            _call(*pip, *torch)
        _call(*pip, str(wheel))
    else:
        _call(*pip, "--no-deps", str(wheel))
        (site,) = folder.glob("lib/python*/site-packages")
        # Only the folder is added: .pth files in it, as that of an editable install, are not read.
        (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installed(folder)


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def example() -> str:
    """The file of claims in the last section of docs/adding-a-claim.md."""
    section = PAGE.read_text(encoding="utf-8").split("In a repository of your own")[1]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found, f"{PAGE} has no file of claims in its last section"
    return found[1]


def test_the_wheel_has_types_claims_and_an_entry_point(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (points,) = (name for name in names if name.endswith("entry_points.txt"))
        text = archive.read(points).decode()
    assert {"replications/py.typed", "replications/_claims/conftest.py"} <= names
    files = [*ROOT.glob("claims/**/*.py"), *ROOT.glob("claims/**/*.outcomes.jsonl")]
    assert {f"replications/_{path.relative_to(ROOT)}" for path in files} <= names
    assert "[pytest11]" in text
    assert "replications.pytest_plugin.plugin" in text


def test_the_wheel_has_the_version_of_the_code(wheel: Path, installed: Installed) -> None:
    assert wheel.name == f"interp_claims-{replications.__version__}-py3-none-any.whl"
    done = installed.run("replications", "--version", cwd=installed.folder)
    assert done.stdout.split() == ["interp-claims", replications.__version__]


def test_the_wheel_carries_no_published_file(wheel: Path) -> None:
    """Those have no licence; whatever lies in the checkout, git ignores them."""
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name).name for name in archive.namelist()}
    assert not names & {"brackets_model_state_dict.pt", "brackets_data.json", "parens.zip"}
    assert not {name for name in names if name.endswith((".pt", ".pth"))}


def test_the_project_comes_from_the_wheel(installed: Installed, tmp_path: Path) -> None:
    done = installed.run(
        "python", "-c", "import replications; print(replications.__file__)", cwd=tmp_path
    )
    assert Path(done.stdout.strip()).parent == installed.package


def test_a_claim_in_another_repository_is_judged(
    installed: Installed, tmp_path: Path, example: str
) -> None:
    (tmp_path / "test_mine.py").write_text(example)
    done = installed.run(*PYTEST, "--claims-json", "claims.json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    rows = json.loads((tmp_path / "claims.json").read_text())["rows"]
    assert [row["status"] for row in rows] == ["pass"] * len(rows)
    assert all(row["margin"] is not None for row in rows)
    assert "every control rejected" in done.stdout


def test_a_wrong_claim_in_another_repository_fails(
    installed: Installed, tmp_path: Path, example: str
) -> None:
    wrong = example.replace("at_least(0.9)", "at_least(9)")
    assert wrong != example
    (tmp_path / "test_mine.py").write_text(wrong)
    done = installed.run(*PYTEST, cwd=tmp_path)
    assert done.returncode == 1, done.stdout
    assert "it does not hold" in done.stdout


def test_ordinary_tests_elsewhere_are_left_alone(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "test_ordinary.py").write_text("def test_ordinary():\n    pass\n")
    done = installed.run(*PYTEST, "-q", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "claims" not in done.stdout


def test_the_shipped_claims_are_judged_in_an_empty_folder(
    installed: Installed, tmp_path: Path
) -> None:
    before = sorted(installed.package.rglob("*"))
    done = installed.run(
        *("replications", "claims", "--offline", *SELECTED, "--claims-json", "claims.json"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert "claims: 1 pass" in done.stdout
    (row,) = json.loads((tmp_path / "claims.json").read_text())["rows"]
    assert row["status"] == "pass"
    assert [path.name for path in tmp_path.iterdir()] == ["claims.json"]
    assert sorted(installed.package.rglob("*")) == before  # site-packages may be read-only


def test_all_shipped_claims_are_collected(installed: Installed, tmp_path: Path) -> None:
    done = installed.run(
        "replications", "claims", "--offline", "--thorough", "--collect-only", "-q", cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout
    assert "error" not in done.stdout.splitlines()[-1]
    collected = [line for line in done.stdout.splitlines() if "::" in line]
    written = sum(path.read_text().count("\ndef test_") for path in ROOT.glob("claims/*/test_*.py"))
    assert len({line.split("[")[0] for line in collected}) == written


@pytest.mark.parametrize("path", ["list_update", "claims/list_update"])
def test_paths_options_and_status_are_passed_through(
    installed: Installed, tmp_path: Path, path: str
) -> None:
    collect = ("replications", "claims", path, "--offline", "--collect-only", "-q")
    done = installed.run(*collect, "-m", "list_update and tier1", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    collected = [line for line in done.stdout.splitlines() if "::" in line]
    assert collected
    assert all("list_update" in line for line in collected)
    assert installed.run(*collect, "-k", "no_such_claim", cwd=tmp_path).returncode == 5
    assert installed.run(*collect, "--device", "tpu", cwd=tmp_path).returncode == 4


# -------------------------------------------------------------------- a model of your own
def test_a_model_folder_is_checked(installed: Installed, tmp_path: Path) -> None:
    model_folders.plain(tmp_path / "model")
    done = installed.run("replications", "check", "--model", "model", cwd=tmp_path)
    assert done.returncode == 0, done.stdout


def test_a_shipped_model_is_swept(installed: Installed, tmp_path: Path) -> None:
    clean, corrupted = "14 23 48 NL 1 26 NL 14", "14 23 48 NL 2 26 NL 14"
    done = installed.run(
        *("replications", "sweep", "--subject", "list_update/seed1", "--out", "found"),
        *("--clean", clean, "--corrupted", corrupted),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "found" / "sweep.csv").read_text().count("\n") > 8
