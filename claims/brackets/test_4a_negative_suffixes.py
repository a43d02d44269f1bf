"""Section 4: how negative suffixes are found."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import (
    at_least,
    at_most,
    parts,
)

from .common import BONUS, MODELS, untrained


@claim(
    "brackets/tally-at-every-position",
    says="Every position with '(' stores the tally of its own suffix (lowest correlation).",
    source=BONUS / "Detecting anywhere-negative failures",
    tier=2,
    published="qualitative",
    expect={group: at_least(0.9) for group in MODELS},
    control=(
        instead(
            "tally of the prefix",
            lambda s: s.elevation_head.lowest_tally_correlation(prefix=True),
            accepted_if="A head that attends to the brackets before each position.",
        ),
        instead(
            "head 0.1",
            lambda s: s.elevation_head.sibling.lowest_tally_correlation(),
            accepted_if="A model whose 0.1 stores the tally at every position too.",
        ),
    ),
    not_asserted="does not hold: within strings of one length the correlation is 0.87 to 0.93 at "
    "positions 2 to 32 and falls to 0.25 at 38, where the output follows the prefix instead (0.95)",
    note="Version 1 left out suffixes of under five brackets and looked at seven positions only.",
    version=2,
    costly=True,
)
def test_every_position_stores_its_tally(subject):
    return subject.elevation_head.lowest_tally_correlation()


@claim(
    "brackets/ov-same-everywhere",
    says="At every position 0.0 adds '(' and ')' in opposite directions (highest cosine).",
    source=BONUS / "Detecting anywhere-negative failures",
    tier=2,
    published="argument",
    expect={group: at_most(-0.95) for group in MODELS},
    control=(
        instead(
            "head 0.1",
            lambda s: s.elevation_head.sibling.highest_write_cosine,
            accepted_if="A model whose 0.1 writes the brackets oppositely everywhere.",
        ),
        untrained,
    ),
    costly=True,
)
def test_brackets_are_written_oppositely_everywhere(subject):
    return subject.elevation_head.highest_write_cosine


@claim(
    "brackets/h21-detects-negative",
    says="Head 2.1 writes towards unbalanced whenever some suffix goes negative.",
    source=BONUS / "Detecting anywhere-negative failures",
    tier=2,
    published="qualitative",
    expect={group: at_least(5.0) for group in MODELS},
    control=(
        instead(
            "head 2.0",
            lambda s: s.total_head.fifth_percentile(s.task.N),
            accepted_if="A model whose 2.0 answers every negative suffix too.",
        ),
        untrained,
    ),
    note="The 5th percentile of its contribution on N.  The document's wording reverses the sign; "
    "its formula and its answer have it right.",
    version=2,
)
def test_the_negative_head_answers_negative_suffixes(subject):
    return subject.negative_head.fifth_percentile(subject.task.N)


@claim(
    "brackets/h21-attends-negative-positions",
    says="From position 0, head 2.1 attends most to the positions whose suffix is negative.",
    source=BONUS / "Detecting anywhere-negative failures",
    tier=1,
    published="question",
    expect={
        group: parts(mass_over_share=at_least(2.0), argmax_negative=at_least(0.85))
        for group in MODELS
    },
    control=(
        instead("head 2.0", lambda s: s.total_head.attention_to_negative_positions),
        untrained,
    ),
)
def test_the_negative_head_attends_to_negative_positions(subject):
    return subject.negative_head.attention_to_negative_positions


@claim(
    "brackets/h21-value-sign",
    says="The vector that 2.1 moves from negative positions points towards unbalanced.",
    source=BONUS / "Detecting anywhere-negative failures",
    tier=1,
    published="question",
    expect={group: at_least(5.0) for group in MODELS},
    control=(
        instead(
            "head 2.0",
            lambda s: s.total_head.value_sign,
            accepted_if="A model whose 2.0 reads negative positions as unbalanced too.",
        ),
        untrained,
    ),
)
def test_negative_positions_carry_the_verdict(subject):
    return subject.negative_head.value_sign


@claim(
    "brackets/h21-inputs-mlps",
    says="The MLPs are the important inputs to 2.1.",
    source=BONUS / "Detecting anywhere-negative failures",
    tier=1,
    published="qualitative",
    expect={
        group: parts(gap=at_least(1.0), times_the_largest_head=at_least(3.0)) for group in MODELS
    },
    control=(
        instead(
            "head 2.0",
            lambda s: s.total_head.input_dominance,
            accepted_if="A model whose 2.0 reads the MLPs at negative positions too.",
        ),
        untrained,
    ),
    costly=True,
)
def test_the_mlps_feed_the_negative_head(subject):
    return subject.negative_head.input_dominance
