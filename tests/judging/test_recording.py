"""Recording outcomes: what is kept, what is replaced, and what is refused with nothing written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from replications.errors import BadInput
from replications.judging import outcome, recording
from replications.judging.ledger import Ledger
from replications.judging.outcome import Outcome
from tests.sample_ledger import BIG, SIDES, ledger, row

OLD = Outcome(BIG.id, "retrained/seed0", 1, True, 0.75, (), (), "the first run")
GONE: dict[str, Any] = {"holds": None, "measured": None, "margin": None}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the run began: a folder with the module of the claims."""
    (tmp_path / "test_toys.py").touch()
    return tmp_path


def file(root: Path) -> Path:
    """The outcomes of the module."""
    return outcome.beside(root / "test_toys.py")


def record(found: Ledger, root: Path, reason: str = "a new machine") -> tuple[str, ...]:
    """Record a ledger; what is said of it."""
    (change,) = recording.changes(found, root, reason)
    change.write()
    return change.lines


def seed(value: float, status: str = "replicates", **facts: Any) -> Any:
    """A row of `BIG` on the first seed."""
    return row(BIG, OLD.subject, status, measured=value, holds=value >= 0.5, **facts)


# ---- what is written ----------------------------------------------------------------------------


def test_every_judged_row_is_recorded_with_the_reason(root: Path) -> None:
    lines = record(ledger(), root, " a new machine ")
    assert lines == (
        "toys/big on arena: new",
        "toys/big on retrained/seed0: new",
        "toys/big on retrained/seed1: new",
        "toys/sides on arena: new",
    )
    found = outcome.read(file(root))
    assert [(o.claim, o.subject, o.holds, o.measured) for o in found.values()] == [
        ("toys/big", "arena", True, 0.98),
        ("toys/big", "retrained/seed0", True, 0.75),
        ("toys/big", "retrained/seed1", False, 0.25),
        ("toys/sides", "arena", True, [1.5, 2.5]),
    ]
    assert {o.reason for o in found.values()} == {"a new machine"}


def test_a_row_without_a_record_is_what_recording_is_for(root: Path) -> None:
    record(ledger(seed(0.75, "error", reason="no outcome is recorded")), root)
    assert outcome.read(file(root)) == {OLD.key: replace(OLD, reason="a new machine")}


def test_accepted_controls_and_uncontrolled_parts_are_recorded(root: Path) -> None:
    record(ledger(seed(0.75, accepted=True, uncontrolled=("right", "left"))), root)
    found = outcome.read(file(root))[OLD.key]
    assert (found.accepted, found.uncontrolled) == (("untrained",), ("left", "right"))


def test_a_row_within_noise_keeps_its_value_and_its_reason(root: Path) -> None:
    outcome.write(file(root), (OLD,))
    before = file(root).read_bytes()
    (change,) = recording.changes(ledger(seed(0.75001)), root, "again")
    change.write()
    assert (change.lines, change.new, change.moved, change.kept) == ((), 0, 0, 1)
    assert file(root).read_bytes() == before


def test_a_row_that_moved_has_the_new_value_and_reason(root: Path) -> None:
    outcome.write(file(root), (OLD,))
    (change,) = recording.changes(ledger(seed(0.8, "changed")), root, "a better mean")
    change.write()
    assert change.lines[0].startswith(
        "toys/big on retrained/seed0: the value moved from 0.75 to 0.8"
    )
    assert (change.new, change.moved, change.kept) == (0, 1, 0)
    moved = replace(OLD, measured=0.8, reason="a better mean")
    assert outcome.read(file(root)) == {OLD.key: moved}


def test_rows_that_were_not_run_are_left_alone(root: Path) -> None:
    others = [
        replace(OLD, subject="retrained/seed7", measured=9.0),
        replace(OLD, claim=SIDES.id, subject="arena", measured=[5, 6]),
        replace(OLD, subject="arena", measured=8.0),  # skipped in this run
    ]
    outcome.write(file(root), (OLD, *others))
    record(ledger(seed(0.8, "changed"), row(BIG, "arena", "skip", **GONE)), root)
    found = outcome.read(file(root))
    assert {key: found[key] for key in found if key != OLD.key} == {o.key: o for o in others}


def test_a_line_stays_in_its_place_whatever_was_run(root: Path) -> None:
    record(ledger(), root)
    before = file(root).read_text(encoding="utf-8").splitlines()
    record(ledger(row(SIDES, "arena", "changed", measured=[1.5, 3.5]), claims=(SIDES,)), root)
    after = file(root).read_text(encoding="utf-8").splitlines()
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, True, False]


def test_each_module_has_its_own_file(root: Path) -> None:
    (root / "claims").mkdir()
    (root / "claims" / "test_other.py").touch()
    claims = {name: dict(entry) for name, entry in ledger().claims.items()}
    claims[SIDES.id]["file"] = "claims/test_other.py"
    changes = recording.changes(replace(ledger(), claims=claims), root, "two files")
    assert [(c.path, c.new) for c in changes] == [
        (root / "test_toys.outcomes.jsonl", 3),
        (root / "claims" / "test_other.outcomes.jsonl", 1),
    ]
    assert not file(root).exists()  # nothing is written before every file is known to be right


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (ledger(seed(0.8, control=None)), "judged without its controls: run it with them"),
        (ledger(row(BIG, "arena~cut", "replicates")), "it is a ledger of lesions"),
        (ledger(row(BIG, "arena~cut", "skip", **GONE)), "it is a ledger of lesions"),
        (
            ledger(seed(0.8), row(BIG, "arena", "error", reason="control 'x' raised", **GONE)),
            "toys/big on arena is an error: control 'x' raised",
        ),
        (
            ledger(row(BIG, "arena", "fail", holds=False, reason="0.1 is outside")),
            "toys/big on arena is asserted, and the row is fail: mend it, or let the claim say why "
            "it is not_asserted (0.1 is outside)",
        ),
        (ledger(row(BIG, "arena", "vacuous", accepted=True)), "and the row is vacuous"),
        (replace(ledger(), read_as=1), "a ledger of an older schema: run the claims again"),
    ],
)
def test_what_must_not_become_a_record_is_refused(root: Path, found: Ledger, problem: str) -> None:
    outcome.write(file(root), (OLD,))
    with pytest.raises(BadInput) as caught:
        recording.changes(found, root, "a new machine")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    assert outcome.read(file(root)) == {OLD.key: OLD}


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_reason_is_needed(root: Path, reason: str) -> None:
    with pytest.raises(BadInput, match="--reason is empty"):
        recording.changes(ledger(), root, reason)


def test_a_module_that_is_not_here_is_refused(root: Path) -> None:
    with pytest.raises(BadInput, match=r"no file .*test_toys\.py .*give --root"):
        recording.changes(ledger(), root / "elsewhere", "a new machine")


def test_a_file_of_outcomes_that_is_wrong_is_refused(root: Path) -> None:
    file(root).write_text("{")
    with pytest.raises(BadInput, match=r"outcomes\.jsonl:1: not JSON"):
        recording.changes(ledger(), root, "a new machine")
    assert file(root).read_text() == "{"


def test_a_file_that_cannot_be_written_is_one_error(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(BadInput, match=r"cannot write .*: No space left on device"):
        record(ledger(), root)
    assert not file(root).exists()
