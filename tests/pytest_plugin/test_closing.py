"""`pytest claims/` on a fake system: rows, exit status, options, closing lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import claims.conftest  # noqa: F401  loaded once here, so that each inner run is quick
from tests.fake_board import BAD, GOOD, HEAD, IN_TWO, UNREACHED

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
PLUGINS = ("replications.pytest_plugin.plugin", "tests.fake_board", "claims.conftest")
# Plugins that would only slow the inner runs are left out.
WITHOUT = ("no:cacheprovider", "no:benchmark", "no:hypothesispytest")
NAMES = [word for name in PLUGINS + WITHOUT for word in ("-p", name)]
OPTIONS = ("--strict-markers", "--strict-config", *NAMES)

Run = Callable[..., Any]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest in this process on a file of claims; the ledger goes to claims.json."""
    monkeypatch.setenv("REPLICATIONS_OFFLINE", "0")  # restored afterwards, also if a run sets it

    def start(source: str, *options: str) -> Any:
        pytester.makepyfile(test_fake=HEAD + source)
        ledger = () if "--claims-json" in options else ("--claims-json", "claims.json")
        return pytester.runpytest_inprocess(*OPTIONS, *ledger, *options)

    return start


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of the ledger in a folder."""
    rows: list[dict[str, Any]] = json.loads((path / "claims.json").read_text())["rows"]
    return rows


def statuses(path: Path) -> dict[tuple[str, str], str]:
    """The status by claim (without its system) and subject."""
    return {(row["claim"][5:], row["subject"]): row["status"] for row in read(path)}


def last_line(result: Any) -> str:
    """The last line a run printed."""
    return str(next(line for line in reversed(result.outlines) if line.strip()))


def test_passing_and_observed_rows_leave_a_green_run(run: Run, pytester: pytest.Pytester) -> None:
    result = run(GOOD)
    assert result.ret == 0
    assert statuses(pytester.path) == {
        ("one", "arena"): "pass",
        ("one", "retrained/seed0"): "observed",
        ("one", "retrained/seed1"): "observed",
        ("large", "arena"): "pass",
        ("large", "retrained/seed0"): "observed",
        ("large", "retrained/seed1"): "observed",
    }
    assert last_line(result) == (
        "claims: 2 pass, 0 fail, 0 vacuous, 0 error, 4 observed (2 hold), 0 skip, 0 unsupported; "
        "every control rejected"
    )
    result.stdout.re_match_lines(
        [r"fake/one +1 +1 +\+0\.1 +0 +pass +1/2", r"fake/large +beyond +1 +\+0\.1 +0 +pass +1/2"]
    )


def test_each_way_to_be_red_has_its_status_and_fails_the_run(
    run: Run, pytester: pytest.Pytester
) -> None:
    result = run(GOOD + BAD)
    assert result.ret == 1
    found = statuses(pytester.path)
    assert found["fails", "arena"] == "fail"
    assert found["vacuous", "arena"] == "vacuous"
    assert found["nan", "arena"] == "vacuous"  # a control that gives NaN shows nothing
    assert found["crashes", "retrained/seed0"] == "error"  # gates although the subject does not
    assert found["crashes", "retrained/seed1"] == "error"  # there it is the control that raises
    assert found["corrupt", "corrupt"] == found["corrupt-too", "corrupt"] == "error"
    assert last_line(result).startswith("claims: 2 pass, 1 fail, 2 vacuous, 4 error, ")
    assert "a control was accepted on 2 rows" in last_line(result)
    text = result.stdout.str()
    assert "fake/fails on arena: it does not hold\n  It is two.\n  1 is outside 2 ± 0.1" in text
    assert "return 1 / subject.value" in text  # an error keeps its traceback
    assert text.count("OPENED corrupt") <= 2
    assert "During handling" not in text


def test_a_claim_may_hold_in_some_of_the_subjects_that_gate(
    run: Run, pytester: pytest.Pytester
) -> None:
    result = run(IN_TWO)
    assert result.ret == 0
    found = statuses(pytester.path)
    assert [found["in-two", f"seed{i}"] for i in range(3)] == ["observed", "pass", "pass"]
    result.stdout.re_match_lines([r"fake/in-two +beyond +2/3: 0 … 2 +-0\.5 +0 +pass +–"])
    assert last_line(result).startswith("claims: 2 pass, 0 fail")


def test_holding_in_too_few_fails_the_run_with_one_line(run: Run) -> None:
    too_few = IN_TWO.replace("at_least(0.5)", "at_least(1.5)")
    result = run(too_few)
    assert result.ret == 1
    assert "fail: fake/in-two holds in 1 of 3, must hold in at least 2" in result.outlines
    result.stdout.re_match_lines([r"fake/in-two +beyond +1/3: 0 … 2 +-1\.5 +0 +fail +–"])
    assert run(too_few, "-k", "seed0 or seed1").ret == 0  # not all were run, so nothing is known


def test_a_subject_is_opened_once_also_where_that_fails(run: Run) -> None:
    text = run(GOOD + BAD + UNREACHED, "-s", "--dtype", "float64").stdout.str()
    for name in ("arena", "gone", "corrupt", "old", "retrained/seed0", "retrained/seed1"):
        assert text.count(f"OPENED {name} cpu float64") == 1, name


def test_what_is_not_reached_is_told_and_passes(run: Run, pytester: pytest.Pytester) -> None:
    result = run(GOOD + UNREACHED)
    assert result.ret == 0
    found = statuses(pytester.path)
    assert (found["gone", "gone"], found["gone", "old"]) == ("skip", "unsupported")
    assert found["gone", "arena"] == "pass"
    remedy = "skip: fake/gone (rows: 1): fake/weights.pt is not here (run: fetch it)"
    assert remedy in result.outlines
    assert "unsupported: fake/old (rows: 1): this version has no such site" in result.outlines
    assert "NOT REACHED: fake/gone, fake/old, rows: 2" in last_line(result)


def test_require_all_fails_a_run_that_skipped_and_says_so(run: Run) -> None:
    result = run(GOOD + UNREACHED, "--require-all")
    assert result.ret == 1
    assert last_line(result).endswith("(--require-all: this run fails)")
    assert run(GOOD, "--require-all").ret == 0


def test_without_controls_nothing_claims_they_were_rejected(
    run: Run, pytester: pytest.Pytester
) -> None:
    result = run(GOOD + BAD, "--no-controls", "-k", "one or vacuous")
    assert result.ret == 0
    assert [row["controls"] for row in read(pytester.path)] == [None] * 4
    assert last_line(result).endswith("controls NOT RUN on 4 rows")
    assert "every control" not in result.stdout.str()


@pytest.mark.parametrize(
    ("options", "number"),
    [
        (("-k", "large"), 3),
        (("-k", "seed1"), 2),
        (("-m", "fake"), 9),
        (("-m", "fake and tier2"), 3),
        (("-m", "original"), 4),
        (("-m", "retrained and tier1"), 2),
        (("-m", "toy"), 1),
    ],
)
def test_ordinary_selection_works(
    run: Run, pytester: pytest.Pytester, options: tuple[str, ...], number: int
) -> None:
    assert run(GOOD + UNREACHED, *options).ret == 0
    assert len(read(pytester.path)) == number


def test_selecting_nothing_is_status_five_and_writes_no_ledger(
    run: Run, pytester: pytest.Pytester
) -> None:
    assert run(GOOD, "-k", "nothing_of_that_name").ret == 5
    assert not (pytester.path / "claims.json").exists()


def test_the_ledger_has_the_documented_shape(run: Run, pytester: pytest.Pytester) -> None:
    run(GOOD, "-k", "one")
    content = json.loads((pytester.path / "claims.json").read_text())
    assert list(content) == ["schema", "environment", "fixtures", "claims", "rows"]
    assert list(content["rows"][0]) == [
        *("claim", "version", "subject", "group", "kind", "published", "measured"),
        *("expectation", "margin", "controls", "outcome", "holds", "status", "reason"),
        *("excuse", "remedy", "seconds"),
    ]
    assert content["claims"]["fake/one"]["gating"] == ["arena"]
    assert (content["environment"]["device"], content["environment"]["threads"]) == ("cpu", 1)


def test_verbose_shows_a_line_per_subject(run: Run) -> None:
    result = run(GOOD, "-v")
    result.stdout.re_match_lines_random(
        [
            r"└ arena +1 .* pass",
            r"└ retrained/seed0 +0 .* observed \(does not hold\)",
            r"└ retrained/seed1 +2 .* observed \(holds\)",
            r".*test_one\[retrained/seed1\] OBSERVED \(holds\).*",
        ]
    )


def test_the_header_says_what_runs(run: Run) -> None:
    result = run(GOOD, "--offline", "--threads", "2")
    result.stdout.re_match_lines(
        [
            r"interp-claims .*, TransformerLens \d.*, torch \d.*",
            r"claims: device cpu, float32, 2 threads, TF32 off, with controls",
            r"fixtures: .*no network \(offline\)",
        ]
    )


def test_lesions_are_observed_without_controls(run: Run, pytester: pytest.Pytester) -> None:
    only_retrained = BAD[BAD.index('@claim("fake/crashes"') : BAD.index('@claim("fake/corrupt"')]
    assert run(GOOD + only_retrained, "--lesions").ret == 0
    rows = read(pytester.path)
    assert [(r["claim"], r["subject"]) for r in rows] == [
        ("fake/one", "arena~halved"),
        ("fake/large", "arena~halved"),
    ]
    assert {(r["status"], r["holds"], r["controls"]) for r in rows} == {("observed", False, None)}


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (GOOD + GOOD.replace("test_", "test_again_"), "two claims have the id 'fake/one'"),
        (GOOD + "\ndef test_plain(subject):\n    pass\n", "has no @claim"),
        (GOOD.replace("(subject):", "(subject, tmp_path):"), "exactly one argument"),
        (GOOD.replace('"retrained":', '"retraned":'), "expects of ['retraned']"),
        (GOOD.replace("fake/one", "other/one"), "no system 'other'"),
        (IN_TWO.replace("holds_in=2", "holds_in=3"), "holds_in=3, but 3 subjects gate"),
    ],
)
def test_a_file_that_is_not_all_claims_is_a_collection_error(
    run: Run, source: str, problem: str
) -> None:
    result = run(source)
    assert result.ret == 2
    assert problem in result.stdout.str()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--device", "cuda:99"), "use --device cpu"),
        (("--device", "tpu"), "give cpu, cuda or cuda:N"),
        (("--threads", "0"), "at least 1"),
        (("--claims-json", "no/such/folder/claims.json"), "folder that exists"),
    ],
)
def test_options_that_cannot_work_are_refused_in_one_line(
    run: Run, options: tuple[str, ...], problem: str
) -> None:
    result = run(GOOD, *options)
    assert result.ret == 4
    (line,) = [line for line in result.errlines if line.strip()]
    assert problem in line


def test_a_ledger_that_cannot_be_written_fails_the_run(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("replications.judging.ledger.files.put", full)
    result = run(GOOD)
    assert result.ret == 1
    assert "NOT WRITTEN: claims.json: No space left on device" in last_line(result)


def test_it_works_where_xdist_is_not_installed(run: Run) -> None:
    assert run(GOOD, "-p", "no:xdist").ret == 0


def test_two_workers_write_the_same_rows(run: Run, pytester: pytest.Pytester) -> None:
    source = GOOD + BAD + UNREACHED
    run(source)
    alone = read(pytester.path)
    (pytester.path / "claims.json").unlink()
    command = [sys.executable, "-m", "pytest", *OPTIONS, "--claims-json", "claims.json", "-n", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=pytester.path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    together = read(pytester.path)
    for row in alone + together:
        row.pop("seconds")
    assert together == alone
    assert "claims: 3 pass, 1 fail, 2 vacuous, 4 error" in done.stdout.splitlines()[-1]
