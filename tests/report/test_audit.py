"""The audit: whether each claim failed somewhere, and each control was accepted somewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from replications.cli import main
from replications.errors import BadInput
from replications.judging.control import instead
from replications.judging.ledger import Ledger
from replications.judging.row import Row
from replications.report import audit_md
from replications.report.audit import ClaimAudit, audit
from tests.sample_ledger import BIG, SIDES, ledger, row

CUT = "arena~cut"
RED: dict[str, Any] = {"measured": 0.2, "holds": False, "margin": -0.7}


def of(*rows: Row, claim: Any = BIG) -> ClaimAudit:
    """The audit of one claim with these rows."""
    (found,) = audit([ledger(*rows, claims=(claim,))])
    return found


def held(subject: str = "arena", **facts: Any) -> Row:
    """A row on which `BIG` holds."""
    return row(BIG, subject, "pass", **facts)


def red(subject: str = CUT, **facts: Any) -> Row:
    """A row on which it does not; its control is accepted there unless another is said."""
    return row(
        BIG, subject, "does not replicate", **{"accepted": True, "control": 1.0, **facts}, **RED
    )


def test_a_claim_that_went_both_ways_with_its_control_leaves_no_question() -> None:
    found = of(held(), red())
    assert (found.held, found.failed, found.red, found.lesions) == (("arena",), (CUT,), (CUT,), 1)
    (control,) = found.controls
    assert (control.name, control.ran, control.accepted) == ("untrained", 2, (CUT,))
    assert found.problems == []


def test_a_control_that_no_world_accepts_is_a_problem() -> None:
    found = of(held(), red(accepted=False))
    assert found.problems == ["control 'untrained' was accepted in none of 2 worlds"]


def test_a_control_with_the_same_value_everywhere_is_named() -> None:
    found = of(held(), red(accepted=False, control=0.0))
    assert found.controls[0].constant
    assert found.problems == [
        "control 'untrained' was accepted in none of 2 worlds, and its value is the same in all"
    ]
    assert not of(held()).controls[0].constant  # one world says nothing about that


def test_a_control_may_say_in_what_world_it_would_be_accepted() -> None:
    said = instead("untrained", lambda subject: 0.0, accepted_if="a model that needs no training")
    claim = replace(BIG, controls=(said,))
    assert of(held(), red(accepted=False), claim=claim).problems == []


def test_a_control_that_never_ran_is_not_asked_about() -> None:
    (control,) = of(held(control=None)).controls
    assert (control.ran, control.problem) == (0, "")


def test_a_control_is_as_near_as_its_largest_margin() -> None:
    rows = [held(), red(accepted=False)]
    margins = [-0.5, -0.25]
    rows = [
        replace(r, controls=(replace(r.controls[0], margin=margin),))
        for r, margin in zip(rows, margins, strict=True)
        if r.controls
    ]
    assert of(*rows).controls[0].nearest == -0.25
    assert of(held()).controls[0].nearest is None


def test_a_claim_that_never_failed_is_listed() -> None:
    text = audit_md.section([of(held(accepted=True), held("seed0"))])
    assert "Held in every world that they were judged in: `toys/big` (of 2)." in text


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([held(CUT)], "it is of tier 1, and is turned red by none of 1 lesions"),
        ([red("seed0")], "it is of tier 1, and is turned red by no lesion, for there is none"),
        # The lesion of a subject on which it does not hold turns nothing red.
        ([red("b"), red("b~cut")], "is turned red by no lesion, for there is none"),
    ],
)
def test_a_tier_1_claim_that_no_lesion_turns_red_is_a_problem(rows: list[Row], said: str) -> None:
    (problem,) = [p for p in of(held(accepted=True), *rows).problems if "tier" in p]
    assert problem.endswith(said)
    for claim in (replace(BIG, tier=2), replace(BIG, no_lesion="it is about the data")):
        assert not [p for p in of(held(), *rows, claim=claim).problems if "tier" in p]


def test_a_part_that_no_control_rejects_is_a_problem_where_it_is_asserted() -> None:
    loose: dict[str, Any] = {"uncontrolled": ("left", "right")}
    found = of(held(**loose), red())
    assert found.uncontrolled == ("left", "right")
    assert found.problems == ["no control rejects left, right"]
    assert of(held(), held("seed0", **loose), red(**loose)).uncontrolled == ()


def test_a_claim_that_was_not_judged_is_not_asked_about() -> None:
    skipped = row(BIG, "arena", "skip", holds=None, measured=None, margin=None)
    found = of(skipped)
    assert (found.reached, found.problems) == (False, [])


# ---- several ledgers ----------------------------------------------------------------------------


def test_the_worlds_of_several_ledgers_count_together() -> None:
    whole, lesions = ledger(held(), claims=(BIG,)), ledger(red(), claims=(BIG, SIDES))
    big, sides = audit([whole, lesions])
    assert (big.held, big.failed, big.red) == (("arena",), (CUT,), (CUT,))
    assert (sides.id, sides.reached) == (SIDES.id, False)


@pytest.mark.parametrize(
    "change",
    [
        {"expect": {"arena": BIG.expect["retrained"]}},
        {"controls": (instead("another", lambda subject: 0.0),)},
        {"version": 2},
    ],
)
def test_ledgers_that_describe_a_claim_differently_are_refused(change: dict[str, Any]) -> None:
    other = ledger(claims=(replace(BIG, **change), SIDES))
    with pytest.raises(BadInput, match="describe 'toys/big' differently: make them again, both"):
        audit([ledger(), other])
    reworded = replace(BIG, controls=(replace(BIG.controls[0], accepted_if="a world"),))
    assert audit([ledger(), ledger(claims=(reworded, SIDES))])


# ---- in Markdown, and the command ---------------------------------------------------------------


def test_the_table_has_a_row_for_each_claim_that_was_judged() -> None:
    text = audit_md.section(audit([ledger(held(), red(), claims=(BIG, SIDES))]))
    assert "| `toys/big` | 1 | 1 | 1/1 | untrained: 1/2 |" in text.splitlines()
    assert "`toys/sides`" not in text
    assert (
        "1 of 2 claims were judged; 1 failed in some world. Of 1 controls 1 were accepted in some "
        "world, and 0 say what world would accept them. Of 1 claims of tier 1, 1 are turned red by "
        "some lesion, and 0 say why none can. Open questions: 0."
    ) in text


def test_what_is_left_to_be_shown_and_what_was_explained_is_listed() -> None:
    said = instead("a | b", lambda subject: 0.0, accepted_if="a world with |")
    claim = replace(BIG, controls=(said,), no_lesion="it is about the data")
    rows = [
        replace(r, controls=(replace(r.controls[0], margin=-0.5),))
        for r in (row(claim, "arena", "pass"), row(claim, "seed0", "pass"))
        if r.controls
    ]
    text = audit_md.section([of(*rows, claim=claim)])
    assert (
        "| `toys/big` | 2 | 0 | – | a \\| b: 0/2, nearest -0.5; a world with \\| |"
    ) in text.splitlines()
    assert text.endswith("no lesion can turn red:\n\n- `toys/big`: it is about the data")


def run(tmp_path: Path, *ledgers: Ledger, options: tuple[str, ...] = ()) -> int:
    """The command on these ledgers."""
    paths = [tmp_path / f"{i}.json" for i in range(len(ledgers))]
    for path, each in zip(paths, ledgers, strict=True):
        each.write(path)
    return main(["audit", *map(str, paths), *options])


def test_the_command_fails_where_something_is_left_to_be_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = ledger(held(), claims=(BIG,))
    out = tmp_path / "audit.md"
    assert run(tmp_path, whole, options=("--out", str(out))) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[:-2] == [
        "toys/big: control 'untrained' was accepted in none of 1 worlds",
        "toys/big: it is of tier 1, and is turned red by no lesion, for there is none",
    ]
    assert said[-2] == "held in every world: toys/big"
    assert said[-1].endswith("Open questions: 2.")
    assert out.read_text(encoding="utf-8") == audit_md.section(audit([whole])) + "\n"
    assert run(tmp_path, whole, ledger(red(), claims=(BIG,))) == 0


def test_bad_input_of_the_command_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ledger(held(), claims=(replace(BIG, version=2),))
    assert run(tmp_path, ledger(held(), claims=(BIG,)), other) == 2
    assert main(["audit", str(tmp_path / "none.json")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 2
