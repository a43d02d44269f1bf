"""`pytest claims/` on a fake system: rows, exit status, options, closing lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fake_board import BAD, GOOD, SOME, UNREACHED
from tests.fake_runs import OPTIONS, Run, last_line, read, statuses

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]


def test_rows_that_are_as_asserted_or_recorded_leave_a_green_run(
    run: Run, pytester: pytest.Pytester
) -> None:
    result = run(GOOD)
    assert result.ret == 0
    assert statuses(pytester.path) == {
        ("one", "arena"): "pass",
        ("one", "retrained/seed0"): "does not replicate",
        ("one", "retrained/seed1"): "replicates",
        ("large", "arena"): "pass",
        ("large", "retrained/seed0"): "does not replicate",
        ("large", "retrained/seed1"): "replicates",
    }
    assert last_line(result) == (
        "claims: 2 pass, 2 replicates, 2 does not replicate, 0 fail, 0 changed, 0 vacuous, "
        "0 error, 0 skip, 0 unsupported; every control rejected"
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
    assert found["crashes", "retrained/seed0"] == "error"  # fails although nothing is asserted
    assert found["crashes", "retrained/seed1"] == "error"  # there it is the control that raises
    assert found["corrupt", "corrupt"] == found["corrupt-too", "corrupt"] == "error"
    assert "2 pass, 2 replicates, 2 does not replicate, 1 fail, 0 changed" in last_line(result)
    assert "2 vacuous, 4 error, 0 skip, " in last_line(result)
    assert "on 2 rows the expectation holds and a control shows nothing" in last_line(result)
    text = result.stdout.str()
    assert "fake/fails on arena: it does not hold\n  It is two.\n  1 is outside 2 ± 0.1" in text
    assert "return 1 / subject.value" in text  # an error keeps its traceback
    assert text.count("OPENED corrupt") <= 2
    assert "During handling" not in text


def test_a_claim_that_is_not_asserted_may_hold_in_some_of_its_subjects(
    run: Run, pytester: pytest.Pytester
) -> None:
    result = run(SOME)
    assert result.ret == 0
    found = statuses(pytester.path)
    assert [found["some", f"seed{i}"] for i in range(3)] == [
        *("does not replicate", "replicates", "replicates")
    ]
    line = r"fake/some +beyond +2/3: 0 … 2 +-0\.5 +0 +replicates in 2 of 3 +–"
    result.stdout.re_match_lines([line])


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


@pytest.mark.sampled(3)
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
    assert list(content) == ["schema", "environment", "fixtures", "claims", "rows", "not_run"]
    assert list(content["rows"][0]) == [
        *("claim", "version", "subject", "group", "kind", "published", "measured"),
        *("expectation", "margin", "controls", "uncontrolled", "outcome", "holds", "status"),
        *("reason", "remedy", "seconds"),
    ]
    assert content["claims"]["fake/one"]["gating"] == ["arena"]
    assert content["claims"]["fake/one"]["file"] == "test_fake.py"
    assert (content["environment"]["device"], content["environment"]["threads"]) == ("cpu", 1)


def test_verbose_shows_a_line_per_subject(run: Run) -> None:
    result = run(GOOD, "-v")
    result.stdout.re_match_lines_random(
        [
            r"└ arena +1 .* pass",
            r"└ retrained/seed0 +0 .* does not replicate",
            r"└ retrained/seed1 +2 .* replicates",
            r".*test_one\[retrained/seed1\] REPLICATES.*",
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


def test_of_lesions_nothing_is_asserted_and_controls_run(
    run: Run, pytester: pytest.Pytester
) -> None:
    only_retrained = BAD[BAD.index('@claim("fake/crashes"') : BAD.index('@claim("fake/corrupt"')]
    assert run(GOOD + only_retrained, "--lesions").ret == 0
    rows = read(pytester.path)
    assert [(r["claim"], r["subject"]) for r in rows] == [
        ("fake/one", "arena~halved"),
        ("fake/large", "arena~halved"),
    ]
    assert {(r["status"], r["holds"]) for r in rows} == {("does not replicate", False)}
    assert [c["accepted"] for row in rows for c in row["controls"]] == [False, False]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (GOOD + GOOD.replace("test_", "test_again_"), "two claims have the id 'fake/one'"),
        (GOOD + "\ndef test_plain(subject):\n    pass\n", "has no @claim"),
        (GOOD.replace("(subject):", "(subject, tmp_path):"), "exactly one argument"),
        (GOOD.replace('"retrained":', '"retraned":'), "expects of ['retraned']"),
        (GOOD.replace("fake/one", "other/one"), "no system 'other'"),
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


@pytest.mark.slow
def test_two_workers_write_the_same_rows(run: Run, pytester: pytest.Pytester) -> None:
    source = GOOD + BAD + UNREACHED
    run(source)
    alone = read(pytester.path)
    (pytester.path / "claims.json").unlink()
    options = [*OPTIONS, "-p", "xdist.plugin", "--claims-json", "claims.json", "-n", "2"]
    command = [sys.executable, "-m", "pytest", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=pytester.path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    together = read(pytester.path)
    for row in alone + together:
        row.pop("seconds")
    assert together == alone
    assert "1 fail, 0 changed, 2 vacuous, 4 error" in done.stdout.splitlines()[-1]
