"""What replicates, in a few lines: the part of README.md that is made from a ledger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from replications.cli import main
from replications.errors import BadInput
from replications.report.opening import BEGIN, END, opening, refresh
from tests.sample_ledger import BIG, SIDES, ledger, row

PAGE = f"Before.\n{BEGIN}\n- old\n{END}\nAfter.\n"
TRAINED = "| 2 `retrained` | 1 | 0 | 1 | 0 |"
SAID = f"| `toys` | 2 of 2 (arena) {TRAINED}"
NONE = "| none measured |  |  |  |  |"


def rows_of(found: str) -> list[str]:
    """The rows of the table, without its head and what follows it."""
    return [line for line in found.splitlines() if line.startswith("|")][2:]


def test_originals_and_trained_models_are_told_apart_with_intervals() -> None:
    assert rows_of(opening(ledger())) == [SAID]


def test_findings_are_counted_by_whether_all_some_or_no_seeds_show_them() -> None:
    always, never, some = (replace(BIG, id=f"toys/{name}") for name in ("all", "none", "some"))
    rows = []
    for i in range(9):
        name = f"retrained/seed{i}"
        rows.append(row(always, name, "replicates"))
        rows.append(row(never, name, "does not replicate", holds=False))
        rows.append(row(some, name, "replicates" if i else "does not replicate", holds=i > 0))
    assert rows_of(opening(ledger(*rows, claims=(always, never, some)))) == [
        "| `toys` | none | 9 `retrained` | 3 | 1 (rate at least 66 %) | 1 | 1 (at most 34 %) |"
    ]


def test_each_recipe_has_its_row() -> None:
    rows = [row(BIG, f"retrained/seed{i}", "replicates") for i in range(2)]
    rows += [row(BIG, f"toy/seed{i}", "replicates", kind="toy") for i in range(3)]
    first, second = rows_of(opening(ledger(*rows)))
    assert first.startswith("| `toys` | none | 2 `retrained` | 1 |")
    assert second.startswith("|  |  | 3 `toy` | 1 |")


def test_an_accepted_control_or_an_uncontrolled_part_is_no_replication() -> None:
    rows = (row(BIG, "arena", "vacuous", accepted=True), row(SIDES, "arena", "pass"))
    assert "| 1 of 2 (arena) |" in opening(ledger(*rows))
    part = row(BIG, "arena", "vacuous", uncontrolled=("left",))
    assert "| 0 of 1 (arena) |" in opening(ledger(part))


def test_weights_that_were_not_reached_are_told() -> None:
    gone = row(BIG, "arena", "skip", holds=None, measured=None, margin=None)
    assert rows_of(opening(ledger(gone))) == [f"| `toys` | not reached (arena) {NONE}"]
    seed = row(BIG, "retrained/seed0", "skip", holds=None, measured=None, margin=None)
    assert rows_of(opening(ledger(seed))) == [f"| `toys` | none {NONE}"]


def test_each_system_has_its_rows() -> None:
    other = replace(BIG, id="pears/big")
    rows = (row(BIG, "arena", "pass"), row(other, "arena", "fail", holds=False))
    assert rows_of(opening(ledger(*rows, claims=(BIG, other)))) == [
        f"| `toys` | 1 of 1 (arena) {NONE}",
        f"| `pears` | 0 of 1 (arena) {NONE}",
    ]


def test_only_what_is_between_the_marks_is_made_anew() -> None:
    page = refresh(PAGE, ledger())
    assert page == f"Before.\n{BEGIN}\n{opening(ledger())}\n{END}\nAfter.\n"
    assert SAID in page
    assert refresh(page, ledger()) == page


def test_backslashes_of_a_ledger_are_kept() -> None:
    odd = row(replace(BIG, id="toys/big"), "arena", "pass")
    assert r"\1" in refresh(PAGE, ledger(replace(odd, subject=r"a\1")))


@pytest.mark.parametrize("page", ["", BEGIN, END, f"{END}{BEGIN}"])
def test_a_page_without_a_place_is_refused(page: str) -> None:
    with pytest.raises(BadInput, match="no place for what replicates: put in <!--"):
        refresh(page, ledger())


def test_the_command_brings_a_page_up_to_date(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, page, out = (tmp_path / name for name in ("l.json", "README.md", "CLAIMS.md"))
    ledger().write(saved)
    page.write_text(PAGE, encoding="utf-8")
    command = ["ledger", str(saved), "--out", str(out), "--excerpt", str(page)]
    assert main(command) == 0
    assert page.read_text(encoding="utf-8") == refresh(PAGE, ledger())
    page.write_text("Nothing.", encoding="utf-8")
    assert main(command) == 2
    assert "no place for what replicates" in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == "Nothing."
