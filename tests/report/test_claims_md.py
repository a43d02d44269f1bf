"""CLAIMS.md: everything a reader needs is in it, and a stale one is found out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from replications.judging.claim import Claim
from replications.judging.expectation import near
from replications.judging.ledger import Ledger, describe
from replications.report.claims_md import check, render
from replications.report.markdown import cell, table
from replications.report.text import short, span
from tests.sample_ledger import BIG, CLAIMS, SIDES, ledger, row


def line_with(text: str, part: str) -> str:
    """The one line of `text` that has `part`."""
    (found,) = [line for line in text.splitlines() if part in line]
    return found


def test_a_row_shows_sentence_published_measured_margin_control_verdict_and_seeds() -> None:
    found = line_with(render(ledger()), "<br>`toys/big`")
    assert found == (
        "| The value is near 1 \\| or so.<br>`toys/big` | 0.99 | 0.98 | +0.08 | 0 "
        "| pass (original) | retrained 1/2 [0.01, 0.99] |"
    )


def test_the_details_give_expectation_reason_control_ranges_and_note() -> None:
    found = line_with(render(ledger()), "**`toys/big`**")
    assert "arena: 1 ± 0.1 (because: spread of two seeds) / retrained: ≥ 0.5. Tier 1." in found
    assert "Control: untrained." in found
    assert "Note: Measured twice." in found
    assert "retrained (retrained): replicates in 1/2, 0.25 … 0.75." in found


def test_named_parts_missing_controls_and_new_findings_say_so() -> None:
    text = render(ledger())
    assert "| beyond | left 1.5, right 2.5 |" in line_with(text, "<br>`toys/sides`")
    assert "No control: true of any weights." in line_with(text, "**`toys/sides`**")


def test_a_claim_that_is_not_asserted_says_why() -> None:
    vague = replace(BIG, not_asserted="the figure cannot be read")
    rows = (row(vague, "arena", "replicates"), row(vague, "retrained/seed0", "replicates"))
    text = render(ledger(*rows, claims=(vague,)))
    assert "| replicates (original) | – |" in line_with(text, "<br>`toys/big`")
    assert "Asserted of no subject: the figure cannot be read." in line_with(text, "**`toys/big`**")


def test_several_subjects_that_gate_share_one_line_and_the_worst_stands_for_them() -> None:
    made = replace(BIG, not_asserted="seed 0 is small")
    entry = {"toys/big": describe(made, ["seed0", "seed1", "seed2"])}
    small: dict[str, Any] = {"measured": 0.1, "margin": -0.4, "holds": False, "reason": "small"}
    rows = [row(made, "seed0", "does not replicate", **small)]
    rows += [row(made, f"seed{i}", "replicates", measured=i, margin=i - 0.5) for i in (1, 2)]
    text = render(Ledger({}, {}, entry, tuple(rows)))
    assert "| 2/3: 0.1 … 2 | -0.4 | 0 | replicates in 2 of 3 (original) |" in line_with(
        text, "<br>`toys/big`"
    )
    assert "seed0: small." in line_with(text, "**`toys/big`**")


def test_where_the_original_was_not_reached_the_nearest_kind_stands_for_the_claim() -> None:
    gone: dict[str, Any] = {
        "holds": None,
        "measured": None,
        "margin": None,
        "reason": "run: fetch it",
    }
    seeds = [r for r in ledger().rows if r.subject.startswith("retrained")]
    text = render(ledger(row(BIG, "arena", "skip", **gone), *seeds))
    assert line_with(text, "<br>`toys/big`").endswith(
        "| 0.99 | 1/2: 0.25 … 0.75 | -0.25 | 0 | replicates in 1 of 2 (retrained) "
        "| retrained 1/2 [0.01, 0.99] |"
    )


def test_a_published_value_that_was_derived_says_how() -> None:
    made = replace(BIG, derived="0.99 = 99 / 100")
    text = render(ledger(row(made, "arena", "pass"), claims=(made,)))
    assert "| 0.99 (derived) | 0.98 |" in line_with(text, "<br>`toys/big`")
    assert "Published is derived: 0.99 = 99 / 100." in line_with(text, "**`toys/big`**")
    assert check(text, (made,)) == []
    assert check(text, (BIG,)) == ["toys/big: the published value changed"]


def test_the_reasons_of_recorded_outcomes_are_shown_with_their_rows() -> None:
    assert line_with(render(ledger()), "two seeds:") == (
        "- two seeds: `toys/big` on retrained/seed0, retrained/seed1."
    )
    many = [row(BIG, f"seed{i}", "replicates", recorded="a new recipe.") for i in range(21)]
    assert "- a new recipe: 21 rows." in render(ledger(*many)).splitlines()
    assert "None is recorded." in render(ledger(row(BIG, "arena", "pass")))


def test_claims_are_grouped_by_system_and_section_with_their_source() -> None:
    text = render(ledger())
    places = [text.index(t) for t in ("## toys", "### 1 > Values", "toys/big", "### 2 > Sides")]
    assert places == sorted(places)
    assert "Source: [A document](https://example.org/a)" in text


def test_the_summary_counts_kinds_and_statuses_and_names_the_machine() -> None:
    text = render(ledger())
    assert "2 claims, 4 rows; every control rejected." in text
    assert "| toys | original | 1 | 2 |" in text
    # subjects, pass, replicates, does not replicate
    assert line_with(text, "| toys | retrained").startswith("| toys | retrained | 2 |  | 1 | 1 |")
    assert "A processor, 2 cores" in text
    assert "torch 2.13.0" in text
    assert "make ledger" in text


def test_what_was_not_reached_is_named_with_the_remedy() -> None:
    skipped = row(
        BIG, "arena", "skip", holds=None, measured=None, margin=None, reason="run: fetch it"
    )
    text = render(ledger(skipped))
    assert "- skip: toys/arena (rows: 1). run: fetch it" in text
    assert "| skip (original) |" in line_with(text, "<br>`toys/big`")
    assert "No row of this ledger was skipped." in render(ledger())


def test_controls_that_did_not_run_are_told() -> None:
    text = render(ledger(row(BIG, "arena", "pass", control=None)))
    assert "controls NOT RUN on 1 rows" in text
    assert "| not run |" in line_with(text, "<br>`toys/big`")


def test_an_accepted_control_is_counted_apart_from_a_finding_that_replicates() -> None:
    text = render(ledger(row(BIG, "retrained/seed0", "does not replicate", accepted=True)))
    assert (
        "replicates in 0/1, 0.98; on 1 the expectation holds and a control shows nothing."
    ) in line_with(text, "**`toys/big`**")
    assert "1 rows; on 1 rows the expectation holds and a control shows nothing." in text


def test_a_control_that_is_accepted_on_a_row_that_fails_is_not_called_rejected() -> None:
    failed = row(BIG, "retrained/seed0", "does not replicate", accepted=True, holds=False)
    text = render(ledger(failed, row(BIG, "arena", "pass")))
    assert "2 rows; every control rejected where the expectation holds." in text


def test_the_lesion_table_counts_red_claims_and_names_the_survivors() -> None:
    red: dict[str, Any] = {"status": "does not replicate", "holds": False, "margin": -0.5}
    lesions = ledger(
        row(BIG, "arena~head silenced", **red),
        row(BIG, "arena~mlp silenced", "replicates"),
        row(SIDES, "arena~head silenced", "replicates"),
    )
    text = render(ledger(), lesions)
    assert "| toys/arena~head silenced | 1 of 2 | 0 of 0 | `big` |" in text
    assert "| toys/arena~mlp silenced | 0 of 1 | 0 of 0 | none |" in text
    section = text[text.index("## Lesions") : text.index("## Audit")]
    assert section.index("no lesion turns red:") < section.index("- `toys/sides`: Both sides")
    assert "- `toys/big`" not in section
    assert "## Lesions" not in render(ledger())
    assert "## Audit" not in render(ledger())


def test_a_claim_that_was_red_before_the_lesion_does_not_count() -> None:
    failed = row(BIG, "arena", "fail", holds=False)
    lesions = ledger(
        row(BIG, "arena~x", "does not replicate", holds=False),
        row(SIDES, "arena~x", "replicates"),
    )
    text = render(ledger(failed), lesions)
    assert "| toys/arena~x | 0 of 1 |" in text
    assert "Left out, as they do not hold on the undamaged subject: `toys/big`." in text


# ---- stale? ------------------------------------------------------------------------------------


def test_a_fresh_file_is_not_stale() -> None:
    assert check(render(ledger()), CLAIMS) == []
    assert check(render(ledger()), ledger().claims) == []


@pytest.mark.parametrize(
    ("now", "stale"),
    [
        ((BIG,), ["toys/sides: no such claim any more"]),
        ((*CLAIMS, replace(BIG, id="toys/new")), ["toys/new: missing"]),
        ((replace(BIG, says="It is 1."), SIDES), ["toys/big: the sentence changed"]),
        ((replace(BIG, published=0.98), SIDES), ["toys/big: the published value changed"]),
        ((replace(BIG, tier=2), SIDES), ["toys/big: the expectation or the tier changed"]),
        (
            (replace(BIG, expect={"arena": near(1, abs=0.2)}), SIDES),
            ["toys/big: the expectation or the tier changed"],
        ),
    ],
)
def test_each_change_of_a_claim_makes_the_file_stale(
    now: tuple[Claim, ...], stale: list[str]
) -> None:
    assert check(render(ledger()), now) == stale


def test_measured_values_do_not_make_a_file_stale() -> None:
    other = ledger(
        row(BIG, "arena", "fail", measured=3.0, holds=False), row(SIDES, "arena", "pass")
    )
    assert check(render(other), CLAIMS) == []


def test_a_bar_does_not_break_the_table() -> None:
    unescaped = line_with(render(ledger()), "<br>`toys/big`").replace("\\|", "")
    assert unescaped.count("|") == 8
    assert (
        table(["x"], [["|y|"]]) == table(["x"], [[cell("|y|")]]) == ("| x |\n| --- |\n| \\|y\\| |")
    )


# ---- short text --------------------------------------------------------------------------------


def test_values_are_short() -> None:
    assert short(-0.997443437576294) == "-0.997443"
    assert short(5000) == "5000"
    assert short(None) == "–"
    assert short("about 0.5") == "about 0.5"
    assert short([1, 2.5]) == "[1, 2.5]"
    assert short(list(range(7)), shown=8) == "[0, 1, 2, 3, 4, 5, 6]"
    assert short(list(range(7))) == "[0, 1, … 6] (7)"
    assert short([1, 2], ["a", "b"]) == "a 1, b 2"


def test_ranges_over_subjects() -> None:
    assert span([3, 1.5, 2]) == "1.5 … 3"
    assert span([2, 2]) == "2"
    assert span([[1, 5], [2, 4]]) == "1 … 2; 4 … 5"
    assert span([[1, 5], [2, 4]], ["a", "b"]) == "a 1 … 2; b 4 … 5"
    assert span([[1] * 9, [3] * 9]) == "every value 1 … 3"
    assert span(["2.0", "2.1", "2.0"]) == "2.0, 2.1"
    assert span([1, "nan"]) == "1, nan"
