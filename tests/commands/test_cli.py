"""The command line: what it prints, and its exit status."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from replications import cli, fixtures
from replications.commands.train import MORE
from replications.errors import FixtureMissing
from replications.judging.ledger import Ledger
from replications.report import claims_md
from replications.systems import registry
from tests import sample_ledger

ROOT = Path(__file__).parents[2]
GOOD, BAD = b"the right content", b"the wrong content"


@pytest.fixture
def one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest of one file, and the path where it is expected."""
    (tmp_path / "manifest.toml").write_text(
        'schema = 1\n[[fixture]]\nname = "toy/file"\nsubjects = ["toy/one"]\nkind = "toy"\n'
        f'bytes = {len(GOOD)}\nsha256 = "{hashlib.sha256(GOOD).hexdigest()}"\n'
        'licence = "MIT"\nsources = []\nremake = "make it"\n'
    )
    monkeypatch.setenv("REPLICATIONS_MANIFEST", str(tmp_path / "manifest.toml"))
    monkeypatch.setenv("REPLICATIONS_FIXTURES", str(tmp_path))
    monkeypatch.setenv("REPLICATIONS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "toy").mkdir()
    return tmp_path / "toy" / "file"


Captured = pytest.CaptureFixture[str]


# ---- fixtures -----------------------------------------------------------------------------------


def test_status_says_where_each_file_is(one_file: Path, capsys: Captured) -> None:
    one_file.write_bytes(GOOD)
    assert cli.main(["fixtures", "status"]) == 0
    out = capsys.readouterr().out
    assert "toy/file" in out
    assert str(one_file) in out


def test_status_of_a_missing_file_names_the_remedy(one_file: Path, capsys: Captured) -> None:
    assert cli.main(["fixtures", "status"]) == 0
    out = capsys.readouterr().out
    assert "toy/file: missing (make it)" in out
    assert "fixtures fetch" in out


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (GOOD, 0, "1 ok, 0 corrupt, 0 missing"),
        (BAD, 1, "0 ok, 1 corrupt, 0 missing"),
        (None, 0, "0 ok, 0 corrupt, 1 missing"),
    ],
)
def test_verify_fails_only_for_a_wrong_file(
    one_file: Path, capsys: Captured, content: bytes | None, code: int, said: str
) -> None:
    if content is not None:
        one_file.write_bytes(content)
    assert cli.main(["fixtures", "verify"]) == code
    assert said in capsys.readouterr().out


def test_fetch_prints_the_path(one_file: Path, capsys: Captured) -> None:
    one_file.write_bytes(GOOD)
    assert cli.main(["fixtures", "fetch", "toy/file"]) == 0
    assert capsys.readouterr().out == f"toy/file: {one_file}\n"


def test_fetch_of_an_unknown_name_downloads_nothing(
    one_file: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fixtures, "fetch", lambda name: pytest.fail("fetched"))
    assert cli.main(["fixtures", "fetch", "toy/file", "toy/other"]) == 2
    assert "unknown fixture 'toy/other'" in capsys.readouterr().err


def test_fetch_goes_on_after_a_failure_and_reports_it(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *rest = fixtures.manifest()

    def fetch(name: str, sha256: str | None) -> Path:
        if name == first:
            raise FixtureMissing(f"no {name}\nanywhere")
        return Path(name)

    monkeypatch.setattr(fixtures, "fetch", fetch)
    assert cli.main(["fixtures", "fetch"]) == 2
    out, err = capsys.readouterr()
    assert err == f"error: no {first} anywhere\n"
    assert [line.split(":")[0] for line in out.splitlines()] == rest


# ---- systems and training -----------------------------------------------------------------------


def test_systems_lists_every_subject_and_what_it_lacks(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REPLICATIONS_CACHE", str(tmp_path))
    monkeypatch.delenv("REPLICATIONS_FIXTURES", raising=False)
    assert cli.main(["systems"]) == 0
    out = capsys.readouterr().out
    for system in registry.SYSTEMS:
        for info in registry.load(system).SUBJECTS:
            assert f" {info.name} " in out
    assert "brackets_data.json" in out or "ready" in out


def test_train_passes_its_options_to_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def train(argv: list[str]) -> int:
        seen.extend(argv)
        return 7

    monkeypatch.setitem(sys.modules, "replications.systems.toys.train", SimpleNamespace(main=train))
    monkeypatch.setattr(registry, "SYSTEMS", ("toys",))
    assert cli.main(["train", "toys", "--seed", "3", "--out", "x"]) == 7
    assert seen == ["--seed", "3", "--out", "x"]


def test_train_of_an_unknown_system_names_the_known(capsys: Captured) -> None:
    assert cli.main(["train", "nothing", "--seed", "1"]) == 2
    known = ", ".join((*registry.SYSTEMS, *MORE))
    assert capsys.readouterr().err == f"error: unknown system 'nothing'; there are: {known}\n"


# ---- ledgers ------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "claims.json"
    sample_ledger.ledger().write(path)
    return path


def test_ledger_renders_to_a_file_or_to_standard_output(
    ledger: Path, tmp_path: Path, capsys: Captured
) -> None:
    expected = claims_md.render(Ledger.read(ledger))
    assert cli.main(["ledger", str(ledger)]) == 0
    assert capsys.readouterr().out == expected
    out = tmp_path / "CLAIMS.md"
    assert cli.main(["ledger", str(ledger), "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["CLAIMS.md", "claims.json"]


def test_check_accepts_what_was_rendered_and_names_what_is_stale(
    ledger: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "CLAIMS.md"
    cli.main(["ledger", str(ledger), "--out", str(out)])
    assert cli.main(["ledger", str(ledger), "--check", str(out)]) == 0
    out.write_text(out.read_text(encoding="utf-8").replace("near 1", "near 2"), encoding="utf-8")
    assert cli.main(["ledger", str(ledger), "--check", str(out)]) == 1
    assert "toys/big: the sentence changed" in capsys.readouterr().out


@pytest.mark.parametrize("options", [["--check", "absent.md"], ["--out", "no/such/folder/x.md"]])
def test_a_file_that_cannot_be_read_or_written_is_one_line(
    ledger: Path, capsys: Captured, options: list[str]
) -> None:
    assert cli.main(["ledger", str(ledger), *options]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: cannot ")
    assert err.count("\n") == 1


def test_a_ledger_that_is_none_is_one_line(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "claims.json"
    path.write_text("{")
    assert cli.main(["ledger", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


# ---- usage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [[], ["nothing"], ["fixtures"], ["ledger"], ["ledger", "a", "--out", "b", "--check", "c"]],
)
def test_wrong_usage_is_status_2(argv: list[str], capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(argv)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_the_module_runs_as_a_program() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "replications", "--version"],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )
    assert run.stdout.startswith("interp-claims ")


def test_the_command_line_starts_without_torch() -> None:
    code = "import replications.cli, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
