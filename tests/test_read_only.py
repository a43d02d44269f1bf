"""A checkout, a cache and a home folder that cannot be written, and two runs at once on one cache.

root ignores permissions, so as root the programs run without the capabilities that let it, by
setpriv.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import sample_ledger

ROOT = Path(__file__).parents[1]
AS_ROOT = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner,-chown"]
CLAIM = ("-m", "pytest", "claims/list_update", "-k", "ov-1.0-copies and seed0", "-q")
pytestmark = pytest.mark.slow


def limited() -> list[str]:
    """What to put before a command so that permissions hold for it."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root ignores permissions, and setpriv is not installed")
    return AS_ROOT


def environment(home: Path, cache: Path, **more: str) -> dict[str, str]:
    ours = ("PYTHON", "REPLICATIONS_", "PYTEST_", "XDG_", "MPL", "HF_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return kept | {"HOME": str(home), "REPLICATIONS_CACHE": str(cache), **more}


def start(folder: Path, given: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*limited(), sys.executable, *arguments],
        cwd=folder, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def copy_of_checkout(folder: Path) -> Path:
    """The code, the claims and the files of list_update, with links in place of fixtures."""
    unwanted = shutil.ignore_patterns("__pycache__")
    for name in ("replications", "claims"):
        shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
    shipped = ROOT / "fixtures" / "list_update"
    shutil.copytree(shipped, folder / "fixtures" / "list_update", copy_function=os.symlink)
    for name in ("pyproject.toml", "fixtures/manifest.toml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def set_mode(folder: Path, mode: int) -> None:
    """Of a folder and all folders in it."""
    for each, _, _ in os.walk(folder):
        os.chmod(each, mode)


@pytest.fixture(scope="module")
def read_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a checkout, a cache and a home in it, none of which can be written."""
    folder = tmp_path_factory.mktemp("read-only")
    for name in ("cache", "home"):
        (folder / name).mkdir()
    copy_of_checkout(folder / "checkout")
    set_mode(folder, 0o555)
    yield folder
    set_mode(folder, 0o755)


def run(read_only: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of Python in the checkout."""
    given = environment(read_only / "home", read_only / "cache")
    process = start(read_only / "checkout", given, *arguments)
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def test_claims_are_judged_and_reported(read_only: Path, tmp_path: Path) -> None:
    before = sorted(read_only.rglob("*"))
    ledger, page = tmp_path / "claims.json", tmp_path / "report.html"
    status, output, _ = run(read_only, *CLAIM, "--offline", "--claims-json", str(ledger))
    assert status == 0, output
    assert [row["status"] for row in json.loads(ledger.read_text())["rows"]] == ["pass"]
    report = ("-m", "replications", "report", str(ledger), "--out", str(page))
    status, output, errors = run(read_only, *report)
    assert status == 0, errors
    assert page.stat().st_size > 10_000
    assert sorted(read_only.rglob("*")) == before


def test_a_ledger_that_cannot_be_written_is_kept_elsewhere(read_only: Path) -> None:
    status, output, _ = run(read_only, *CLAIM, "--offline", "--claims-json", "claims.json")
    assert status == 1
    problem, _, kept = output.splitlines()[-1].partition("; it is in ")
    assert problem == "the ledger was NOT WRITTEN: claims.json: Permission denied"
    assert json.loads(Path(kept).read_text())["rows"]
    shutil.rmtree(Path(kept).parent)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("fixtures", "fetch", "brackets/brackets_data.json"), "REPLICATIONS_CACHE to a folder"),
        (("figures", "list_update", "--out", "found"), "cannot make the folder found"),
        (("certificate", "LEDGER", "--out", "page.html"), "cannot write page.html"),
    ],
    ids=lambda given: given[0] if isinstance(given, tuple) else "",
)
def test_what_cannot_be_written_is_one_line(
    read_only: Path, tmp_path: Path, arguments: tuple[str, ...], problem: str
) -> None:
    ledger = tmp_path / "claims.json"
    sample_ledger.ledger().write(ledger)
    words = [str(ledger) if word == "LEDGER" else word for word in arguments]
    status, _, errors = run(read_only, "-m", "replications", *words)
    assert status == 2
    # Matplotlib says where it puts its own cache instead.
    lines = [line for line in errors.strip().splitlines() if "matplotlib" not in line]
    assert len(lines) == 1, errors
    assert lines[0].startswith("error: ")
    assert problem in lines[0]


def test_two_runs_at_once_on_one_cache(tmp_path: Path) -> None:
    """Both want a file that neither has, and both write the same ledger."""
    checkout = copy_of_checkout(tmp_path / "checkout")
    wanted = checkout / "fixtures" / "list_update" / "seed0.safetensors"
    wanted.unlink()
    source = (ROOT / "fixtures" / "list_update" / wanted.name).as_uri()
    manifest = checkout / "fixtures" / "manifest.toml"
    entry, name = manifest.read_text(), 'name = "list_update/seed0.safetensors"'
    head, tail = entry.split(name)
    manifest.write_text(head + name + tail.replace("sources = []", f'sources = ["{source}"]', 1))
    given = environment(tmp_path, tmp_path / "cache")
    ledger = tmp_path / "claims.json"
    both = [start(checkout, given, *CLAIM, "--claims-json", str(ledger)) for _ in range(2)]
    for process in both:
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
    assert [row["status"] for row in json.loads(ledger.read_text())["rows"]] == ["pass"]
    kept = tmp_path / "cache" / "list_update"
    assert (kept / wanted.name).read_bytes() == (
        ROOT / "fixtures" / "list_update" / wanted.name
    ).read_bytes()
    assert not list(kept.glob("*.part"))
