"""The table of methods on networks written by hand has a row for each network, and no others."""

from __future__ import annotations

from typing import Any

from replications.judging.expectation import at_least, parts
from replications.report.claims_md import render
from replications.report.planted_md import section
from tests.sample_ledger import CONTROL, DOCUMENT, _claim, ledger, row


def made(system: str, *methods: str) -> Any:
    expected = parts(**dict.fromkeys(methods, at_least(1.0)))  # type: ignore[arg-type]
    return _claim(
        f"{system}/planted-edges-ranked",
        says="Methods rank the planted edges first.",
        source=DOCUMENT / "",
        expect={"construction": expected},
        control=CONTROL,
    )


SMALL = made("small", "exact", "eap", "eap_ig", "acdc")
LARGE = made("large", "exact", "eap", "eap_ig")
ROWS = (
    row(SMALL, "construction", "pass", measured=[1.0, 0.7331827, 0.25, 1.0]),
    row(LARGE, "construction", "does not replicate", measured=[0.98, 0.5, 0.75], holds=False),
)


def test_methods_have_columns_and_networks_have_rows() -> None:
    found = section(ledger(*ROWS, claims=(SMALL, LARGE))).splitlines()
    assert found[0] == "## Methods on networks written by hand"
    assert "| network | exact | EAP | EAP-IG | ACDC |" in found
    assert "| `small/construction` | 1 | 0.733183 | 0.25 | 1 |" in found
    assert "| `large/construction` | 0.98 | 0.5 | 0.75 | – |" in found


def test_rows_that_were_not_judged_and_other_claims_are_left_out() -> None:
    gone: dict[str, Any] = {"holds": None, "measured": None, "margin": None}
    skipped = row(SMALL, "construction", "skip", control=None, **gone)
    assert section(ledger(skipped, claims=(SMALL,))) == ""
    assert section(ledger()) == ""


def test_it_is_in_the_file_before_the_recorded_outcomes() -> None:
    text = render(ledger(*ROWS, claims=(SMALL, LARGE)))
    assert text.index("## Methods on networks") < text.index("## Recorded outcomes")
    assert "## Methods on networks" not in render(ledger())
