"""CLAIMS.md says what the claims in this checkout say."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from replications.errors import BadInput
from replications.judging.claim import Claim
from replications.report.claims_md import check
from replications.report.excerpt import refresh

REPO = Path(__file__).resolve().parents[2]


def live_claims() -> list[Claim]:
    """Every claim, in the order of the files."""
    files = sorted((REPO / "claims").rglob("test_*.py"))
    names = [".".join(file.relative_to(REPO).with_suffix("").parts) for file in files]
    functions = [f for name in names for f in vars(import_module(name)).values()]
    return [f.claim for f in functions if isinstance(getattr(f, "claim", None), Claim)]


@pytest.fixture(scope="module")
def text() -> str:
    return (REPO / "CLAIMS.md").read_text(encoding="utf-8")


def test_it_is_not_stale(text: str) -> None:
    assert check(text, live_claims()) == [], "run `make ledger` and commit CLAIMS.md"


def test_a_changed_claim_would_be_noticed(text: str) -> None:
    first, *rest = live_claims()
    changed = replace(first, says="Something else is said.")
    assert check(text, [changed, *rest])
    assert check(text, rest)


def test_the_rows_that_the_readme_shows_are_those_of_claims_md(text: str) -> None:
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    assert readme.count("<br>`") >= 10
    assert refresh(readme, text) == readme, "run `make ledger` and commit README.md"


def test_a_row_is_brought_up_to_date_and_an_unknown_one_is_refused() -> None:
    page = "Before.\n| It is so.<br>`toys/big` | 1 | old |\nAfter `toys/big`."
    assert refresh(page, "| It is so.<br>`toys/big` | 1 | new |\n") == page.replace("old", "new")
    with pytest.raises(BadInput, match="no claim 'toys/big'"):
        refresh(page, "")
