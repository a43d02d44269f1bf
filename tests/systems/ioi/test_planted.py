"""Without one part of the construction exactly the claims about it turn red.

The table takes two to three minutes on one core, so it is marked `slow`.
"""

from __future__ import annotations

from functools import cache

import pytest

from replications.judging.claim import Claim
from replications.systems.ioi import IoiSubject, construction
from replications.systems.ioi.infos import CONSTRUCTION
from replications.systems.ioi.subjects import by_hand
from tests.systems.ioi.planted import RED, UNDEFINED
from tests.systems.ioi.test_gpt2_path import claims

LEFT_OUT = {"edges-faithful", "planted-edges-ranked", "edges-curve"}
"""Claims that do not hold on the whole construction, and one that takes long: it is about a method.
"""
CLAIMS = {
    claim.id.removeprefix("ioi/"): claim
    for _, claim in claims([CONSTRUCTION])
    if claim.id.removeprefix("ioi/") not in LEFT_OUT
}


@cache
def without(part: str | None) -> IoiSubject:
    return by_hand(construction.files(construction.without(part) if part else None))


def holds(claim: Claim, subject: IoiSubject) -> bool:
    return claim.expect[CONSTRUCTION].judge(claim.measure(subject)).holds


def red(part: str | None, names: set[str]) -> set[str]:
    return {name for name in names if not holds(CLAIMS[name], without(part))}


def test_every_part_has_a_row_and_every_claim_of_gpt2_small_is_measured() -> None:
    assert set(RED) == set(construction.PARTS)
    asked = {claim.id.removeprefix("ioi/") for _, claim in claims()}
    printed = {name for name in asked if name.startswith("printed-")}
    # The construction is always given an opening token.
    assert asked - set(CLAIMS) - printed - LEFT_OUT <= {"ln-typical-head", "circuit-after-bos"}
    assert set().union(*RED.values(), *UNDEFINED.values()) <= set(CLAIMS)


def test_every_claim_depends_on_a_part_or_says_that_nothing_changes() -> None:
    # Patching in what was there already changes nothing in any model; a residual is small wherever
    # there is nothing to add. A list of edges, or of heads, has all that is left without a part.
    about_lists = {"circuit-by-convention", "circuit-complete", "edges-ranked"}
    about_lists |= {"planted-edges-faithful", "planted-edges-beat-random"}
    assert set(CLAIMS) - set().union(*RED.values()) == {
        "signal-identity",
        "each-s-inhib-additive",
        *about_lists,
    }


@pytest.mark.slow
@pytest.mark.parametrize("part", [None, *RED])
def test_a_part_left_out_turns_exactly_its_claims_red(part: str | None) -> None:
    names = set(CLAIMS) - UNDEFINED.get(part or "", frozenset())
    assert red(part, names) == RED.get(part or "", frozenset())
