"""Section 4: early closing brackets."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import (
    at_least,
    parts,
)

from .common import BONUS, MODELS, untrained


@claim(
    "brackets/early-close-component",
    says="Head 2.0 answers every string that opens with ')', even if the total is right.",
    source=BONUS / "Dealing with early closing parens",
    tier=1,
    published="2.0",
    expect={
        group: parts(smallest=at_least(5.0), smallest_total_right=at_least(5.0)) for group in MODELS
    },
    control=(
        instead(
            "head 2.1",
            lambda s: s.negative_head.lowest_answers(first=")"),
            accepted_if="A model whose 2.1 answers every early close.",
        ),
        instead(
            "N strings that open with '('",
            lambda s: s.total_head.lowest_answers(first="(", quantile=0.05),
            accepted_if="A model whose 2.0 answers every negative suffix.",
        ),
        untrained,
    ),
)
def test_the_total_head_catches_early_closes(subject):
    return subject.total_head.lowest_answers(first=")")


@claim(
    "brackets/early-close-causal",
    says="The first ')' reaches 2.0 through its value and its key at position 1 (change of LDu).",
    source=BONUS / "Dealing with early closing parens",
    tier=2,
    published="question",
    expect={group: parts(v=at_least(5.0), k=at_least(2.0)) for group in MODELS},
    control=instead("head 2.1", lambda s: s.circuit.early_close(s.roles.negative)),
    costly=True,
)
def test_early_closes_travel_through_value_and_key(subject):
    return subject.circuit.early_close(subject.roles.total)
