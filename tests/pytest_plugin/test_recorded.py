"""Runs that are compared with recorded outcomes: as recorded, changed, not recorded, refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from replications import cli
from replications.judging.outcome import Outcome
from tests.fake_board import BAD, GOOD, RECORDED, SOME
from tests.fake_runs import OUTCOMES, Run, last_line, lines, read, statuses

pytest_plugins = ["pytester"]
ONE, LARGE = "fake/one", "fake/large"
KNOWN = [outcome for outcome in RECORDED if outcome.claim in (ONE, LARGE)]
TWO_PARTS = """
from replications.judging.expectation import parts

@claim("fake/parts", says="Both are large.", source=SOURCE, tier=1, control=UNTRAINED,
       expect={"arena": parts(value=at_least(0.5), one=at_least(0.5))})
def test_parts(subject):
    return {"value": subject.value, "one": 1}
"""


def changed(subject: str, **changes: Any) -> list[Outcome]:
    """The known outcomes, that of `fake/one` on a subject with some fields changed."""
    key = ONE, subject
    return [replace(o, **changes) if o.key == key else o for o in KNOWN]


def said_of(result: Any) -> str:
    """The line that names the one row which changed."""
    (line,) = [line for line in result.outlines if line.startswith("changed: ")]
    return str(line)


def test_a_row_as_recorded_has_its_outcome_in_the_ledger(
    run: Run, pytester: pytest.Pytester
) -> None:
    assert run(GOOD).ret == 0
    found = {(r["claim"], r["subject"]): r["outcome"] for r in read(pytester.path)}
    assert found[ONE, "arena"] is None
    assert found[ONE, "retrained/seed1"] == {
        "claim": ONE,
        "subject": "retrained/seed1",
        "version": 1,
        "holds": True,
        "measured": 2.0,
        "accepted": [],
        "uncontrolled": [],
        "reason": "the first run",
        "noise": 1.0,
    }


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("subject", "changes", "said"),
    [
        ("retrained/seed1", {"measured": 1.9}, "the value moved from 1.9 to 2.0, by up to 0.1"),
        ("retrained/seed1", {"holds": False}, "holds now"),
        ("retrained/seed0", {"holds": True}, "does not hold any more"),
        ("retrained/seed1", {"version": 2}, "recorded for version 2 of the claim, not 1"),
        (
            "retrained/seed1",
            {"accepted": ("untrained",)},
            "control 'untrained' is not accepted any more",
        ),
    ],
)
def test_a_departure_fails_the_run_and_is_named_with_what_moved(
    run: Run, pytester: pytest.Pytester, subject: str, changes: dict[str, Any], said: str
) -> None:
    result = run(GOOD, outcomes=changed(subject, **changes))
    assert result.ret == 1
    found = statuses(pytester.path)
    assert [key for key, status in found.items() if status == "changed"] == [("one", subject)]
    assert said_of(result).startswith(f"changed: fake/one on {subject}: {said}")
    assert f"fake/one on {subject}: it departs from the recorded outcome" in result.stdout.str()
    assert ", 0 fail, 1 changed, " in last_line(result)


def test_a_control_that_is_accepted_now_fails_the_run(run: Run, pytester: pytest.Pytester) -> None:
    doubled = GOOD.replace("at_least(0.5)}", "at_least(-5)}")
    found = [replace(o, holds=True) if o.claim == ONE else o for o in KNOWN]
    result = run(doubled, "-k", "test_one and seed1", outcomes=found)
    assert result.ret == 1
    assert said_of(result).startswith(
        "changed: fake/one on retrained/seed1: control 'untrained' is accepted now"
    )
    without = run(doubled, "-k", "test_one and seed1", "--no-controls", outcomes=found)
    assert without.ret == 0  # they did not run, and are not compared
    assert statuses(pytester.path) == {("one", "retrained/seed1"): "replicates"}


def test_an_asserted_row_is_compared_as_well(run: Run, pytester: pytest.Pytester) -> None:
    arena = Outcome(ONE, "arena", 1, True, 1.0, (), (), "the first run")
    assert run(GOOD, outcomes=[*KNOWN, arena]).ret == 0
    result = run(GOOD, outcomes=[*KNOWN, replace(arena, measured=0.95)])
    assert result.ret == 1  # it holds still, within its tolerance
    assert statuses(pytester.path)["one", "arena"] == "changed"
    assert "the value moved from 0.95 to 1.0" in said_of(result)


def test_what_is_neither_asserted_nor_recorded_is_an_error(
    run: Run, pytester: pytest.Pytester
) -> None:
    result = run(GOOD, outcomes=KNOWN[1:])
    assert result.ret == 1
    assert statuses(pytester.path)["one", "retrained/seed0"] == "error"
    text = result.stdout.str()
    assert "fake/one on retrained/seed0: it cannot be judged" in text
    assert "no outcome is recorded: write a ledger with --claims-json LEDGER" in text


def test_of_lesions_no_outcome_is_compared(run: Run) -> None:
    assert run(GOOD, "--lesions", outcomes=()).ret == 0


def test_a_part_that_no_control_rejects_is_vacuous(run: Run, pytester: pytest.Pytester) -> None:
    result = run(TWO_PARTS)
    assert result.ret == 1
    (row,) = read(pytester.path)
    assert (row["status"], row["uncontrolled"]) == ("vacuous", ["one"])
    assert "its controls show nothing\n  Both are large.\n  no control rejects the parts: one" in (
        result.stdout.str()
    )


# ---- a file that is wrong -----------------------------------------------------------------------


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("outcomes", "problem"),
    [
        ([*KNOWN, replace(KNOWN[0], claim="fake/gone")], "of the unknown claim 'fake/gone'"),
        ([*KNOWN, replace(KNOWN[0], subject="seed9")], "on the unknown subject 'seed9'"),
        # A subject that exists, and of which the claim expects nothing.
        ([*KNOWN, replace(KNOWN[0], subject="gone")], "on the unknown subject 'gone'"),
        ([*KNOWN, KNOWN[0]], f"{OUTCOMES}:5: a second outcome of fake/one on retrained/seed0"),
        ([replace(KNOWN[0], reason=" ")], f"{OUTCOMES}:1: an outcome needs reason"),
        ([replace(KNOWN[0], subject="")], f"{OUTCOMES}:1: an outcome needs subject"),
        (lines(KNOWN) + "{", f"{OUTCOMES}:5: not JSON"),
    ],
)
def test_a_file_of_outcomes_that_is_wrong_is_one_collection_error(
    run: Run, pytester: pytest.Pytester, outcomes: Sequence[Outcome] | str, problem: str
) -> None:
    result = run(GOOD, outcomes=outcomes)
    assert result.ret == 2
    text = result.stdout.str()
    assert problem in text
    assert "Traceback" not in text
    assert len([line for line in result.outlines if problem in line]) == 1
    assert not (pytester.path / "claims.json").exists()


def test_outcomes_of_a_claim_that_is_not_selected_are_known(run: Run) -> None:
    assert run(GOOD, "-k", "test_large").ret == 0


def test_a_module_may_hold_values_that_refuse_attributes(run: Run) -> None:
    assert run("from pytest import mark\n" + GOOD).ret == 0


# ---- recorded by the command --------------------------------------------------------------------


def record(pytester: pytest.Pytester, *options: str, reason: str = "the first run") -> int:
    """`replications record` of the ledger that the last run wrote."""
    ledger = str(pytester.path / "claims.json")
    return cli.main(["record", ledger, "--root", str(pytester.path), "--reason", reason, *options])


def test_a_run_that_was_recorded_is_green(
    run: Run, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    file = pytester.path / OUTCOMES
    assert run(GOOD + SOME, outcomes=()).ret == 1
    capsys.readouterr()
    assert record(pytester, "--check") == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "9 new and 0 moved outcomes would be recorded, 0 unchanged"
    )
    assert file.read_text() == ""
    assert record(pytester) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "9 new and 0 moved outcomes recorded, 0 unchanged"
    assert "fake/one on retrained/seed0: new" in said
    written = file.read_text()
    assert run(GOOD + SOME, outcomes=written).ret == 0
    capsys.readouterr()
    assert record(pytester, reason="again") == 0
    assert capsys.readouterr().out == "0 new and 0 moved outcomes recorded, 9 unchanged\n"
    assert file.read_text() == written


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("source", "options", "problem"),
    [
        (GOOD + BAD, ("-k", "fails"), "is asserted, and the row is fail"),
        (GOOD + BAD, ("-k", "vacuous"), "is asserted, and the row is vacuous"),
        (GOOD + BAD, ("-k", "crashes and seed1"), "is an error: ControlFailed: control 'untrained"),
        (GOOD, ("--no-controls",), "judged without its controls"),
        (GOOD, ("--lesions",), "it is a ledger of lesions"),
    ],
)
def test_what_must_not_be_recorded_is_one_line_and_nothing_is_written(
    run: Run,
    pytester: pytest.Pytester,
    capsys: pytest.CaptureFixture[str],
    source: str,
    options: tuple[str, ...],
    problem: str,
) -> None:
    run(source, *options)
    before = (pytester.path / OUTCOMES).read_text()
    capsys.readouterr()
    assert record(pytester) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert problem in captured.err
    assert (pytester.path / OUTCOMES).read_text() == before
