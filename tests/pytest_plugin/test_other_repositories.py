"""Claims in a repository of one's own: subjects from a fixture, and sessions without claims."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import replications.pytest_plugin.judging  # noqa: F401  loaded once, and kept between inner runs
from replications import cli

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
OPTIONS = (
    *("--strict-markers", "--strict-config", "-p", "no:cacheprovider", "-p", "no:benchmark"),
    *("-p", "no:hypothesispytest", "-p", "replications.pytest_plugin.plugin"),
)
HEAD = """
import pytest
from replications.judging import Source, Subject, at_least, claim, instead, near, on

def expecting(expect, **more):
    facts = {"says": "It is large.", "source": Source("A document"), "tier": 1,
             "control": instead("nothing", lambda subject: 0), **more}
    return claim(facts.pop("id", "mine/large"), expect=expect, **facts)
"""
ONE = """
@expecting({"any": at_least(0.5)})
def test_it_is_large(subject):
    return subject
"""
PLAIN = """
@pytest.fixture
def subject():
    return 1.0
"""
THREE = """
@pytest.fixture(params=[0, 1, 2], ids=["seed0", "seed1", "seed2"], scope="module")
def subject(request):
    return Subject(float(request.param), kind="retrained", gates=request.param > 0)
"""
Run = Callable[..., Any]


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Run pytest in this process on one file; the ledger goes to claims.json."""

    def start(source: str, *options: str) -> Any:
        pytester.makepyfile(test_mine=HEAD + source)
        return pytester.runpytest_inprocess(*OPTIONS, "--claims-json", "claims.json", *options)

    return start


def read(pytester: pytest.Pytester) -> dict[str, Any]:
    """The ledger that a run wrote."""
    content: dict[str, Any] = json.loads((pytester.path / "claims.json").read_text())
    return content


def statuses(pytester: pytest.Pytester) -> dict[str, str]:
    """The status of each subject."""
    return {row["subject"]: row["status"] for row in read(pytester)["rows"]}


def record(pytester: pytest.Pytester) -> None:
    """Record what the last run found."""
    options = ("--root", str(pytester.path), "--reason", "the first run")
    assert cli.main(["record", str(pytester.path / "claims.json"), *options]) == 0


def test_a_claim_on_a_plain_fixture_is_judged_with_its_control(
    run: Run, pytester: pytest.Pytester
) -> None:
    result = run(PLAIN + ONE)
    assert result.ret == 0
    result.stdout.re_match_lines([r"mine/large +beyond +1 +\+0\.5 +0 +pass"])
    assert "every control rejected" in result.outlines[-1]
    (row,) = read(pytester)["rows"]
    assert (row["claim"], row["subject"], row["kind"]) == ("mine/large", "subject", "toy")
    assert (row["status"], row["margin"]) == ("pass", 0.5)
    assert read(pytester)["environment"]["device"] is None


@pytest.mark.parametrize(
    ("source", "status"),
    [
        (PLAIN.replace("1.0", "0.1") + ONE, "fail"),
        (PLAIN + ONE.replace("0.5", "-1"), "vacuous"),
        (PLAIN + ONE.replace("return subject", "return 1 / 0"), "error"),
        (PLAIN.replace("return 1.0", "raise OSError('no disk')") + ONE, "error"),
    ],
)
def test_each_way_to_be_red(run: Run, pytester: pytest.Pytester, source: str, status: str) -> None:
    assert run(source).ret == 1
    assert statuses(pytester) == {"subject": status}


def test_ids_of_a_parametrised_fixture_name_the_subjects(
    run: Run, pytester: pytest.Pytester
) -> None:
    assert run(THREE + ONE).ret == 1  # seed0 does not gate, and nothing is recorded of it
    record(pytester)
    assert run(THREE + ONE).ret == 0
    found = {"seed0": "does not replicate", "seed1": "pass", "seed2": "pass"}
    assert statuses(pytester) == found
    assert {row["kind"] for row in read(pytester)["rows"]} == {"retrained"}
    assert read(pytester)["claims"]["mine/large"]["gating"] == ["seed1", "seed2"]


def test_a_departure_from_what_was_recorded_fails(run: Run, pytester: pytest.Pytester) -> None:
    run(THREE + ONE)
    record(pytester)
    moved = THREE.replace("float(request.param)", "float(request.param) + 0.25")
    result = run(moved + ONE)
    assert result.ret == 1
    assert statuses(pytester) == dict.fromkeys(("seed0", "seed1", "seed2"), "changed")
    line = "changed: mine/large on seed0: the value moved from 0.0 to 0.25, by up to 0.25"
    assert any(text.startswith(line) for text in result.outlines)


def test_the_group_of_a_subject_is_stated_or_told_from_its_name(
    run: Run, pytester: pytest.Pytester
) -> None:
    two_groups = """
@expecting(
    {"high": at_least(0.5), "low": near(0, abs=1)},
    control=(instead("2", lambda s: 2, only="low"), instead("0", lambda s: 0, only="high")),
)
def test_it_is_large(subject):
    return subject
"""
    three = THREE.replace("gates=request.param > 0", "gates=True")
    named = three.replace('"seed0", "seed1", "seed2"', '"low/0", "high/1", "high/2"')
    assert run(named + two_groups).ret == 0
    controls = [row["controls"][0]["name"] for row in read(pytester)["rows"]]
    assert controls == ["0", "0", "2"]
    stated = three.replace("kind=", 'group="high", kind=')
    assert run(stated + two_groups, "-k", "seed2").ret == 0
    result = run(three + two_groups, "-k", "seed2")
    assert result.ret == 1
    assert "expects of ['high', 'low'], and the subject 'seed2' is in none" in result.stdout.str()


def test_a_fixture_may_skip(run: Run, pytester: pytest.Pytester) -> None:
    source = PLAIN.replace("return 1.0", "pytest.skip('no weights here')") + ONE
    result = run(source)
    assert result.ret == 0
    assert statuses(pytester) == {"subject": "skip"}
    assert "skip: mine/subject (rows: 1): no weights here" in result.outlines
    assert run(source, "--require-all").ret == 1


def test_claims_and_ordinary_tests_share_a_session(run: Run, pytester: pytest.Pytester) -> None:
    ordinary = "\ndef test_before():\n    assert True\n"
    failing = "\ndef test_after(tmp_path):\n    assert False\n"
    source = PLAIN + ordinary + ONE + failing
    result = run(source)
    result.assert_outcomes(passed=2, failed=1)
    assert statuses(pytester) == {"subject": "pass"}
    assert "NO ROW" not in result.stdout.str()
    lines = run(source, "--collect-only", "-q").outlines
    names = [line.split("::")[1] for line in lines if "::" in line]
    assert names == ["test_before", "test_it_is_large", "test_after"]


def test_markers_and_the_id_select_claims(run: Run) -> None:
    ordinary = "\ndef test_ordinary():\n    pass\n"
    for options in (("-m", "mine"), ("-m", "tier1"), ("-k", "mine/large")):
        run(PLAIN + ONE + ordinary, *options).assert_outcomes(passed=1, deselected=1)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (PLAIN + ONE + ONE.replace("test_", "test_again_"), "two claims have the id"),
        (PLAIN + ONE.replace("(subject)", "(subject, tmp_path)"), "exactly one argument, subject"),
    ],
)
def test_what_is_no_proper_claim_is_a_collection_error(run: Run, source: str, problem: str) -> None:
    result = run(source)
    assert result.ret == 2
    assert problem in result.stdout.str()


def test_a_conftest_may_register_a_system(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from replications.judging import SubjectInfo
        from replications.pytest_plugin import System, only_claims

        def pytest_claims_systems(config):
            infos = [SubjectInfo("mine", n, "any", "toy", True, ()) for n in ("small", "big")]
            return [System("mine", lambda: infos, lambda name: {"small": 1, "big": 2}[name])]

        def pytest_generate_tests(metafunc):
            only_claims(metafunc)
        """
    )
    assert run(ONE).ret == 0
    assert statuses(pytester) == {"small": "pass", "big": "pass"}
    result = run(ONE + "\ndef test_ordinary():\n    pass\n")
    assert result.ret == 2
    assert "is among the claims and has no @claim" in result.stdout.str()


def test_a_session_without_claims_is_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_ordinary="""
        import sys

        def test_nothing_heavy_is_imported():
            heavy = {"torch", "transformer_lens", "numpy", "tabulate", "replications.judging"}
            assert not heavy & set(sys.modules)
        """
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    without = _lines(command, pytester)
    assert _lines([*command, "-p", "replications.pytest_plugin.plugin"], pytester) == without
    assert any("1 passed" in line for line in without)


def _lines(command: list[str], pytester: pytest.Pytester) -> list[str]:
    """What a run prints, without times, with no plugin but those named.

    Left out is the list of installed plugins, which is pytest's own.
    """
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command,
        cwd=pytester.path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = (done.stdout + done.stderr).splitlines()
    return [line.split(" in ")[0].strip("= ") for line in said if not line.startswith("plugins: ")]
