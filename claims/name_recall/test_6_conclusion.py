"""The conclusion: an induction circuit, and what the document leaves to be tested."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, parts, ranks

from .common import CONCLUSION, SMALL


@claim(
    "name_recall/induction-circuit",
    says="Heads 0.2 and 1.6 form an induction circuit.",
    source=CONCLUSION,
    tier=1,
    published="'we can be pretty certain'",
    expect={
        group: parts(path=at_least(0.5), induction_score=at_least(0.3), copied=at_least(0.8))
        for group in SMALL
    },
    control=(
        instead("into queries", lambda s: s.conclusion.induction(s.roles.previous, "Q")),
        instead("into values", lambda s: s.conclusion.induction(s.roles.previous, "V")),
        instead("from head 0.1", lambda s: s.conclusion.induction(s.roles.duplicate)),
    ),
    note="The path is from 0.2 into the keys of 1.6 at position 5, first-name corruption, as a "
    "share of the effect of the whole stream there.  Copied is the share of last names that 1.6's "
    "OV circuit, applied to the stream at position 5, puts among the ten best tokens.  In a toy "
    "several heads may share the copying, and the path is into all of them; we decided this after "
    "looking at a toy, where the path into one head carried 0.24.",
)
def test_two_heads_form_an_induction_circuit(subject):
    return subject.conclusion.induction(subject.roles.previous)


@claim(
    "name_recall/dth-variant",
    says="Through head 0.1 the prediction depends on the position of the first name.",
    source=CONCLUSION,
    tier=2,
    published="untested: 'there probably is a second variant'",
    expect={group: at_least(0.1) for group in SMALL},
    control=instead("another last name", lambda s: s.conclusion.through_duplicate("last name")),
    note="The positional embeddings of positions 4 and 5 are exchanged, but only head 0.1 at "
    "position 11 sees it.",
)
def test_positions_pass_through_the_duplicate_token_head(subject):
    return subject.conclusion.through_duplicate("positions")


@claim(
    "name_recall/kcomp-0.2-1.6",
    says="Of the heads of layer 0, 0.2 composes most with the keys of 1.6.",
    source=CONCLUSION,
    tier=2,
    published="untested",
    expect={"gelu-2l": ranks("0.2"), "toy": ranks("previous")},
    control=(
        instead(
            "0.1 for 0.2",
            lambda s: s.roles.exchange(s.conclusion.composition("K"), "previous", "duplicate"),
        ),
        instead(
            "a random matrix for 0.2",
            lambda s: s.conclusion.composition("K", random=s.roles.previous),
        ),
    ),
    note="Composition scores from weights, less the mean score of random matrices.",
)
def test_the_previous_token_head_composes_with_keys(subject):
    return subject.conclusion.composition("K")


@claim(
    "name_recall/qcomp-0.1-1.6",
    says="Of the heads of layer 0, 0.1 composes most with the queries of 1.6.",
    source=CONCLUSION,
    tier=2,
    published="untested",
    expect={"gelu-2l": ranks("0.1"), "toy": ranks("duplicate")},
    control=(
        instead(
            "0.2 for 0.1",
            lambda s: s.roles.exchange(s.conclusion.composition("Q"), "previous", "duplicate"),
        ),
        instead(
            "a random matrix for 0.1",
            lambda s: s.conclusion.composition("Q", random=s.roles.duplicate),
        ),
    ),
)
def test_the_duplicate_token_head_composes_with_queries(subject):
    return subject.conclusion.composition("Q")
