"""A large page: 200 claims with 1,200 rows, a lesion, a picture and two versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from replications.judging.claim import Claim
from replications.judging.ledger import Ledger, describe
from replications.report.page import Page
from replications.report.page.gallery import Album, Gallery, Shown
from replications.report.page.versions import versions
from tests.sample_ledger import BIG, ENVIRONMENT, row

CLAIMS, SEEDS = 200, 5
SYSTEMS = ("apples", "pears")
DOT = (  # a picture of one red pixel
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8Dw"
    "HwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)


def many() -> Ledger:
    """200 claims on six subjects each: 1,200 rows, two of which fail and 20 are skipped."""
    claims = [claim(i) for i in range(CLAIMS)]
    entries = {made.id: describe(made, ["arena"]) for made in claims}
    rows = [r for i, made in enumerate(claims) for r in rows_of(i, made)]
    return Ledger(ENVIRONMENT, {"toys/weights.pt": "0" * 64}, entries, tuple(rows))


def claim(number: int) -> Claim:
    """One claim; every tenth speaks of zebras, and one of a script."""
    system = SYSTEMS[number % 2]
    says = f"The value of number {number} is near 1."
    says = f"Zebra {number} has stripes." if number % 10 == 0 else says
    says = "It says <script>window.hacked = 1</script>." if number == 5 else says
    source = replace(BIG.source, section=f"Section {number // 8}")
    return replace(
        BIG, id=f"{system}/claim-{number}", says=says, source=source, tier=1 + number % 2
    )


def rows_of(number: int, made: Claim) -> Iterator[Any]:
    """The subject that gates, then seeds of which two do not hold."""
    if number in (7, 8):
        yield row(made, "arena", "fail", measured=3.0, margin=-1.9, holds=False, reason="3 is not")
    elif number < 40 and number % 2:
        yield row(made, "arena", "skip", measured=None, margin=None, holds=None, reason="not here")
    else:
        yield row(made, "arena", "pass")
    for seed in range(SEEDS):
        holds = seed > 1
        measured, margin = 0.3 + seed / 5, seed / 5 - 0.2
        subject = f"retrained/seed{seed}"
        status = "replicates" if holds else "does not replicate"
        yield row(made, subject, status, measured=measured, margin=margin, holds=holds)


def page_of(ledger: Ledger) -> Page:
    """Everything that a page can show, of this ledger."""
    pictures = Album("arena", "original", (Shown("A dot", "It is red.", DOT, 1400, 90),))
    cut = [row(claim(0), "arena~cut", "does not replicate", holds=False)]
    return Page(
        ledger,
        versions=versions([ledger, ledger], ["a.json", "b.json"]),
        lesions=replace(ledger, rows=tuple(cut)),
        gallery=Gallery({"apples": (pictures,)}, {"pears": ("no file",)}),
        made_from=[("a.json", "0" * 64)],
        command="python -m replications report a.json b.json",
    )
