"""What two ledgers say of each other, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from replications import cli
from replications.commands import NEGATIVE, OK, USAGE
from replications.drift.changes import compare, counts
from replications.errors import BadInput
from replications.judging.expectation import at_least, parts
from replications.judging.ledger import Ledger
from replications.judging.noise import Floor
from tests import sample_ledger
from tests.sample_ledger import BIG, SIDES, row

Captured = pytest.CaptureFixture[str]
RETRAINED = "retrained/seed0"


def ledger(status: str = "pass", **fields: Any) -> Ledger:
    """A ledger whose row of `BIG` on the subject that gates is as given; the others never move."""
    return sample_ledger.ledger(
        row(BIG, "arena", status, **fields),
        row(SIDES, "arena", "pass", measured=[1.5, 2.5], margin=1.5),
        row(BIG, RETRAINED, "replicates", measured=0.75, margin=0.25),
    )


def kind(old: Ledger, new: Ledger, floor: Floor | None = None) -> str:
    change = next(c for c in compare(old, new, floor) if (c.old.claim, c.gates) == (BIG.id, True))
    return change.kind


# ------------------------------------------------------------------------------------- kinds
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.98, "same"),
        (0.98005, "noise"),
        (0.9815, "drift"),
        ([0.98], "drift"),
        ("nan", "drift"),
    ],
)
def test_a_value_that_moved_is_noise_up_to_the_floor(value: Any, expected: str) -> None:
    assert kind(ledger(), ledger(measured=value)) == expected


def test_the_floor_is_stated_and_can_be_set() -> None:
    near = ledger(measured=0.98001)
    assert kind(ledger(), near) == "noise"
    assert kind(ledger(), near, Floor(0, 0)) == "drift"
    assert kind(ledger(), near, Floor(relative=0, absolute=1e-4)) == "noise"
    with pytest.raises(BadInput, match="a floor is two numbers of at least 0"):
        Floor(relative=-1)
    with pytest.raises(BadInput, match="a floor is two numbers"):
        Floor(absolute=float("nan"))


def test_lists_move_by_their_worst_number() -> None:
    old = ledger(measured=[1.0, [2.0, 3.0]])
    new = ledger(measured=[1.0, [2.0, 3.5]])
    (change,) = [c for c in compare(old, new) if c.kind == "drift"]
    assert change.size == 0.5
    assert kind(old, ledger(measured=[1.0, [2.0, 3.0 + 1e-7]])) == "noise"


@pytest.mark.parametrize(
    ("status", "fields", "expected"),
    [
        ("fail", {"holds": False, "measured": 0.1, "margin": -0.8}, "flipped"),
        ("fail", {"holds": False}, "flipped"),
        ("vacuous", {"accepted": True}, "flipped"),
        ("error", {"holds": None, "measured": None, "margin": None}, "error"),
        ("unsupported", {"holds": None, "measured": None, "margin": None}, "unsupported"),
    ],
)
def test_another_verdict_is_more_than_a_drift(
    status: str, fields: dict[str, Any], expected: str
) -> None:
    assert kind(ledger(), ledger(status, **fields)) == expected
    assert kind(ledger(status, **fields), ledger()) == expected


def test_rows_without_a_recorded_outcome_are_compared_by_what_was_measured() -> None:
    assert kind(ledger("error"), ledger("error")) == "same"
    assert kind(ledger("error"), ledger("error", measured=0.99)) == "drift"
    assert kind(ledger("error"), ledger("error", measured=0.1, holds=False)) == "flipped"


def test_every_row_is_counted_once() -> None:
    changes = compare(ledger(), ledger(measured=0.985))
    assert sum(counts(changes).values()) == 3
    assert {k: n for k, n in counts(changes).items() if n} == {"same": 2, "drift": 1}


# ----------------------------------------------------------------------------------- refusals
def refused(old: Ledger, new: Ledger) -> str:
    with pytest.raises(BadInput, match="these ledgers cannot be compared") as caught:
        compare(old, new)
    return str(caught.value)


def test_other_files_are_refused() -> None:
    old, new = (replace(ledger(), fixtures={"toys/model": digest}) for digest in "ab")
    assert "other content of toys/model" in refused(old, new)
    assert compare(old, replace(ledger(), fixtures={"toys/other": "a"}))


def test_other_claims_are_refused() -> None:
    both, one = ledger(), sample_ledger.ledger(row(BIG, "arena", "pass"), claims=(BIG,))
    assert "claims that the second lacks: toys/sides" in refused(both, one)
    assert "claims that the first lacks: toys/sides" in refused(one, both)


def test_parts_may_be_renamed_and_reasons_reworded_but_not_exchanged() -> None:
    old = {name: dict(entry) for name, entry in ledger().claims.items()}
    old[BIG.id] |= {"parts": ["a", "b"], "not_asserted": "why"}
    old[BIG.id]["expect"] = {"arena": parts(a=at_least(1), b=at_least(2)).data()}
    new = {name: dict(entry) for name, entry in old.items()}
    new[BIG.id] |= {"parts": ["b", "c"], "not_asserted": "why not"}
    new[BIG.id]["expect"] = {"arena": parts(b=at_least(1), c=at_least(2)).data()}
    assert compare(replace(ledger(), claims=old), replace(ledger(), claims=new))
    new[BIG.id]["expect"] = {"arena": parts(b=at_least(2), c=at_least(1)).data()}
    assert "(expectation)" in refused(replace(ledger(), claims=old), replace(ledger(), claims=new))


def test_a_changed_expectation_is_refused() -> None:
    claims = {name: dict(entry) for name, entry in ledger().claims.items()}
    claims[BIG.id]["expect"] = {"arena": at_least(0.5).data()}
    said = refused(ledger(), replace(ledger(), claims=claims))
    assert "claims that were changed: toys/big (expectation)" in said


def test_other_words_about_the_same_claim_are_no_other_claim() -> None:
    claims = {name: dict(entry) for name, entry in ledger().claims.items()}
    claims[BIG.id]["note"] = "Measured three times."
    assert compare(ledger(), replace(ledger(), claims=claims))


def test_a_run_on_fewer_subjects_is_refused() -> None:
    fewer = replace(ledger(), rows=tuple(r for r in ledger().rows if r.subject != RETRAINED))
    assert "rows that the second lacks: toys/big on retrained/seed0" in refused(ledger(), fewer)
    assert "rows that the first lacks" in refused(fewer, ledger())


def test_files_that_one_side_could_not_read_are_refused() -> None:
    skipped = ledger("skip", holds=None, measured=None, margin=None)
    assert "only one of them skipped: toys/big on arena (fetch the files)" in refused(
        ledger(), skipped
    )
    assert kind(skipped, skipped) == "skip"


# -------------------------------------------------------------------------------- the command
def run(tmp_path: Path, old: Ledger, *news: Ledger, options: tuple[str, ...] = ()) -> int:
    paths = [tmp_path / f"{i}.json" for i in range(1 + len(news))]
    for path, each in zip(paths, (old, *news), strict=True):
        each.write(path)
    return cli.main(["drift", *map(str, paths), *options])


def test_nothing_that_moved_ends_well(tmp_path: Path, capsys: Captured) -> None:
    environment = dict(ledger().environment) | {"torch": "2.14.0", "transformer_lens": "4.3.0"}
    new = replace(ledger(measured=0.98001), environment=environment)
    assert run(tmp_path, ledger(), new) == OK
    out = capsys.readouterr().out
    assert "torch: 2.13.0 → 2.14.0; transformer_lens: None → 4.3.0" in out
    assert "No row moved by more than noise." in out
    assert "2 same, 1 noise, 0 drift" in out
    assert "noise is 1e-06 + 0.0001 × |value|; largest noise 1e-05 (toys/arena: big)" in out


def test_a_drift_within_the_tolerance_is_shown_and_no_failure(
    tmp_path: Path, capsys: Captured
) -> None:
    assert run(tmp_path, ledger(), ledger(measured=0.99, margin=0.07)) == OK
    out = capsys.readouterr().out
    line = next(line for line in out.splitlines() if line.startswith("toys/big"))
    assert line.split() == ["toys/big", "arena", "0.98", "0.99", "0.01", "+0.08", "+0.07", "drift"]
    assert "1.trace.json" in out


@pytest.mark.parametrize(
    ("status", "holds", "expected"),
    [
        ("fail", False, NEGATIVE),
        ("error", None, NEGATIVE),
        ("unsupported", None, OK),
    ],
)
def test_a_flip_or_a_new_error_fails_and_unsupported_is_only_named(
    status: str, holds: bool | None, expected: int, tmp_path: Path, capsys: Captured
) -> None:
    new = ledger(status, holds=holds, measured=None, margin=None, reason="no such site")
    assert run(tmp_path, ledger(), ledger(), new) == expected
    out = capsys.readouterr().out
    assert f"1 {'flipped' if status == 'fail' else status}" in out
    assert ("1 asserted rows flipped or broke" in out) == (expected != OK)


def test_a_flip_of_a_row_that_is_not_asserted_fails_nothing(
    tmp_path: Path, capsys: Captured
) -> None:
    rows = [r for r in ledger().rows if r.subject != RETRAINED]
    rows.append(row(BIG, RETRAINED, "changed", measured=0.2, margin=-0.3, holds=False))
    assert run(tmp_path, ledger(), replace(ledger(), rows=tuple(rows))) == OK
    assert "flipped (not asserted)" in capsys.readouterr().out


def test_all_shows_the_rows_that_stayed(tmp_path: Path, capsys: Captured) -> None:
    run(tmp_path, ledger(), ledger(), options=("--all",))
    assert "toys/sides" in capsys.readouterr().out


def test_ledgers_that_do_not_compare_are_bad_input(tmp_path: Path, capsys: Captured) -> None:
    one = sample_ledger.ledger(row(BIG, "arena", "pass"), claims=(BIG,))
    assert run(tmp_path, ledger(), ledger(), one) == USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "cannot be compared" in captured.err


def test_a_ledger_of_another_schema_is_bad_input(tmp_path: Path, capsys: Captured) -> None:
    ledger().write(tmp_path / "a.json")
    other = (tmp_path / "a.json").read_text().replace('"schema": 2', '"schema": 99')
    (tmp_path / "b.json").write_text(other)
    assert cli.main(["drift", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == USAGE
    assert "schema 99" in capsys.readouterr().err


# -------------------------------------------------------------------------------- accepted values
ENTRY = {
    "claim": BIG.id,
    "subject": "arena",
    "transformer_lens": "4.4",
    "measured": 0.2,
    "reason": "it centres twice",
}


def accepting(tmp_path: Path, entry: dict[str, Any], new: Ledger, version: str = "4.4.1") -> int:
    lines = [f"{key} = {value!r}" for key, value in entry.items()]
    (tmp_path / "accepted.toml").write_text("\n".join(["[[accepted]]", *lines]))
    environment = dict(new.environment) | {"transformer_lens": version}
    options = ("--accepted", str(tmp_path / "accepted.toml"))
    return run(tmp_path, ledger(), replace(new, environment=environment), options=options)


def test_a_value_that_was_accepted_with_a_reason_fails_nothing(
    tmp_path: Path, capsys: Captured
) -> None:
    flipped = ledger("fail", measured=0.2, margin=-0.7, holds=False)
    assert accepting(tmp_path, ENTRY, flipped) == OK
    assert "1 accepted" in capsys.readouterr().out
    assert accepting(tmp_path, ENTRY, flipped, version="4.40.0") == NEGATIVE
    elsewhere = ledger("fail", measured=0.3, margin=-0.6, holds=False)
    assert accepting(tmp_path, ENTRY, elsewhere) == NEGATIVE
    broken = ledger("error", measured=None, margin=None, holds=None)
    assert accepting(tmp_path, ENTRY, broken) == NEGATIVE


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reason": "  "}, "toys/big on arena needs a reason"),
        ({"subject": "nowhere"}, "no row of toys/big on nowhere"),
        ({"more": 1}, "an entry needs exactly claim, subject, transformer_lens"),
    ],
)
def test_an_entry_that_is_not_whole_is_refused(
    change: dict[str, Any], said: str, tmp_path: Path, capsys: Captured
) -> None:
    flipped = ledger("fail", measured=0.2, margin=-0.7, holds=False)
    assert accepting(tmp_path, ENTRY | change, flipped) == USAGE
    assert said in capsys.readouterr().err


def test_an_entry_about_a_row_that_did_not_move_is_refused(
    tmp_path: Path, capsys: Captured
) -> None:
    assert accepting(tmp_path, ENTRY, ledger()) == USAGE
    assert "did not move; remove it" in capsys.readouterr().err
