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
        instead(
            "into queries",
            lambda s: s.conclusion.induction(s.roles.previous, "Q"),
            accepted_if="A model whose previous-token head also writes at the last token what "
            "its copying head asks for.",
        ),
        instead(
            "into values",
            lambda s: s.conclusion.induction(s.roles.previous, "V"),
            accepted_if="A model that mixes the first name into what it copies.",
        ),
        instead(
            "from head 0.1",
            lambda s: s.conclusion.induction([s.roles.best("duplicate")]),
            accepted_if="A model in which another head of layer 0 carries the first name too.",
        ),
        instead(
            "head 0.2 in the place of 1.6",
            lambda s: s.conclusion.induction(s.roles.previous, scored=s.roles.best("previous")),
            accepted_if="A model in which the head that looks back also copies what it finds.",
        ),
    ),
    note="The path is from 0.2 into the keys of 1.6 at position 5, first-name corruption, as a "
    "share of the effect of the whole stream there.  Copied is the share of last names that 1.6's "
    "OV circuit, applied to the stream at position 5, puts among the ten best tokens.  In a toy "
    "several heads may share the copying, and the path is into all of them; we decided this after "
    "looking at a toy, where the path into one head carried 0.24.",
    version=2,
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
    control=instead(
        "another last name",
        lambda s: s.conclusion.through_duplicate("last name"),
        accepted_if="A model whose duplicate-token head depends on the last name.",
    ),
    not_asserted="The document proposes this test and does not make it.",
    note="The positional embeddings of positions 4 and 5 are exchanged, but only head 0.1 at "
    "position 11 sees it.  On toys no head looks for duplicates, and the effect is 0.",
    version=2,
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
            "its queries",
            lambda s: s.conclusion.composition("Q"),
            accepted_if="A model whose copying head asks for what 0.2 writes at the last token.",
        ),
        instead(
            "a random matrix for 0.2",
            lambda s: s.conclusion.composition("K", random=s.roles.best("previous")),
            accepted_if="A model in which every other head of layer 0 avoids the keys of 1.6.",
        ),
    ),
    not_asserted="The document expects this and does not test it.",
    note="Composition scores from weights, less the mean score of random matrices.",
    version=2,
)
def test_the_previous_token_head_composes_with_keys(subject):
    return subject.conclusion.composition("K")


@claim(
    "name_recall/qcomp-0.1-1.6",
    says="Of the heads of layer 0, 0.1 composes most with the queries of 1.6.",
    source=CONCLUSION,
    tier=2,
    published="untested",
    expect={"gelu-2l": ranks("0.1")},
    control=(
        instead(
            "its keys",
            lambda s: s.conclusion.composition("K"),
            accepted_if="A model whose copying head recognises the last name by what 0.1 writes.",
        ),
        instead(
            "a random matrix for 0.1",
            lambda s: s.conclusion.composition("Q", random=s.roles.best("duplicate")),
            accepted_if="A model in which every other head of layer 0 avoids the queries of 1.6.",
        ),
    ),
    not_asserted="The document expects this and does not test it.",
    note="No toy has a duplicate-token head.",
    version=2,
)
def test_the_duplicate_token_head_composes_with_queries(subject):
    return subject.conclusion.composition("Q")
