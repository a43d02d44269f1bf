"""Rates among many seeds, in CLAIMS.md and in the opening of README.md."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from replications.cli import main
from replications.errors import BadInput
from replications.judging.ledger import Ledger
from replications.report.claims_md import check, render
from replications.report.opening import BEGIN, END, opening
from replications.report.replicas_md import check as check_replicas
from replications.report.replicas_md import section
from tests.sample_ledger import BIG, CLAIMS, SIDES, ledger, row

COMMAND = "python -m replications replicate toys --seeds 0-7"


def replicas(n: int = 8, held: int = 7) -> Ledger:
    """The ledger of n models, in some of which the first finding replicates."""
    rows = [
        row(
            BIG,
            f"retrained/seed{i}",
            "replicates" if i < held else "does not replicate",
            holds=i < held,
            measured=1.0 if i < held else 0.25,
        )
        for i in range(n)
    ]
    made = ledger(*rows, row(SIDES, "retrained/seed0", "error", holds=None, measured=None))
    return replace(made, environment={**made.environment, "command": COMMAND})


def test_each_finding_has_its_rate_and_the_range_of_its_value() -> None:
    lines = section([replicas()]).splitlines()
    assert f"### `{COMMAND}`" in lines
    assert lines[-2:] == [
        "| `toys/big` | 7/8 [0.47, 1.00] | 0.25 … 1 |",
        "| `toys/sides` | 1 not judged | – |",
    ]


def test_several_recipes_have_a_table_each() -> None:
    text = section([replicas(), replicas(4, 0)])
    assert text.count("| finding | replicates in | measured |") == 2
    assert "| `toys/big` | 0/4 [0.00, 0.60] | 0.25 |" in text


def test_a_claim_that_changed_since_is_refused() -> None:
    made = replicas()
    check_replicas(ledger(), [made])
    older = replace(made, claims={**made.claims, BIG.id: {**made.claims[BIG.id], "version": 0}})
    with pytest.raises(BadInput, match="toys/big has changed since it was judged on many seeds"):
        check_replicas(ledger(), [older])
    with pytest.raises(BadInput, match="toys/sides has changed"):
        check_replicas(ledger(row(BIG, "arena", "pass"), claims=(BIG,)), [made])


def test_claims_md_has_the_section_and_is_not_stale_by_it() -> None:
    text = render(ledger(), replicas=[replicas()])
    assert "## Many seeds" in text
    assert "## Many seeds" not in render(ledger())
    assert check(text, CLAIMS) == []


def test_the_opening_has_a_row_for_the_many_seeds() -> None:
    text = opening(ledger(), [replicas()])
    assert "| 2 `retrained` | 1 |" in text
    assert "| 8 `retrained` | 1 | 0 | 1 | 0 |" in text


def test_the_command_reads_compressed_ledgers(tmp_path: Path) -> None:
    whole, many = tmp_path / "claims.json", tmp_path / "many.json.gz"
    ledger().write(whole)
    replicas().write(many)
    page, out = tmp_path / "README.md", tmp_path / "CLAIMS.md"
    page.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    asked = ["ledger", str(whole), "--replicas", str(many), "--out", str(out)]
    assert main([*asked, "--excerpt", str(page)]) == 0
    assert "7/8 [0.47, 1.00]" in out.read_text(encoding="utf-8")
    assert "8 `retrained`" in page.read_text(encoding="utf-8")
