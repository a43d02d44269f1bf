"""What the document says of palindromes, without positions and digits: does it hold again?

Which positions a model is blind at, and how sure it is, belong to one training run. Each claim here
says what is left of a published sentence when positions are counted and not named.
"""

from __future__ import annotations

from replications.judging import at_least, at_most, claim, exactly, instead, parts

from .common import PALINDROME, also_retrained, untrained

COMPOSITION = PALINDROME / "5. Composition of 0.0 and 1.0"
MORE = PALINDROME / "A few more experiments"
WITHOUT_POSITIONS = "the published sentence without its positions, which belong to one training run"


@claim(
    "algorithmic/palindrome-lambda-positions",
    says="At most positions a number looks at its mirror if the two are equal, and else at itself.",
    source=PALINDROME / "1. Eyeball attention patterns",
    tier=1,
    published="all but 17 and 19",
    derived=WITHOUT_POSITIONS,
    expect=also_retrained("palindrome", at_least(6)),
    control=(
        instead(
            "head 0.1",
            lambda s: s.attention.comparing(s.roles.other),
            accepted_if="a model in which both heads of layer 0 compare",
        ),
        untrained,
    ),
    note="Of ten; in the head that compares.",
)
def test_most_positions_compare(subject):
    return subject.attention.comparing()


@claim(
    "algorithmic/palindrome-attention-moves",
    says="Making pairs unequal moves attention from the mirror to the number itself.",
    source=COMPOSITION,
    tier=1,
    published="0.373 and 0.544 without 17 and 19",
    derived=WITHOUT_POSITIONS,
    expect=also_retrained("palindrome", parts(rise=at_least(0.15), fall=at_least(0.2))),
    control=(
        instead(
            "head 0.1",
            lambda s: s.attention.moved_everywhere(s.roles.other),
            accepted_if="a model in which both heads of layer 0 compare",
        ),
        untrained,
    ),
    note="Means over all ten positions.",
)
def test_attention_moves(subject):
    return subject.attention.moved_everywhere()


@claim(
    "algorithmic/palindrome-qk-matches",
    says="One head of layer 0 matches numbers and mirrors; in the other equal numbers repel.",
    source=PALINDROME / "3. Full QK matrix of head 0.0",
    tier=2,
    published="all 31 numbers and all ten positions",
    derived="palindrome-qk-self without the printed digits",
    expect=also_retrained(
        "palindrome", parts(rows=exactly(31), places=exactly(10), other=at_most(0.0))
    ),
    control=(
        instead(
            "1.0 for numbers, 0.1 for positions",
            lambda s: s.circuits.matches(s.roles.collect, s.roles.other, s.roles.collect),
            accepted_if="a model in which these heads match, and 1.0 avoids equal numbers",
        ),
        instead(
            "heads of layer 0 exchanged",
            lambda s: s.circuits.matches(s.roles.other, s.roles.other, s.roles.compare),
            accepted_if="a model in which 0.1 compares pairs and 0.0 avoids equal numbers",
        ),
        untrained,
    ),
)
def test_one_head_matches(subject):
    return subject.circuits.matches()


@claim(
    "algorithmic/palindrome-some-blind-spots",
    says="Most changes of one number of a palindrome are seen, but some positions are blind spots.",
    source=PALINDROME / "4. Investigating adversarial examples",
    tier=1,
    published="two blind spots, 17 and 19",
    derived=WITHOUT_POSITIONS,
    expect=also_retrained("palindrome", parts(blind=at_least(1), seen=at_least(5))),
    costly=True,
    control=(
        instead(
            "two numbers side by side changed",
            lambda s: s.mistakes.spots(neighbours=True),
            accepted_if="a model with two blind spots side by side",
        ),
        untrained,
    ),
    note="Of the ten positions of the second half. `blind`: 99 % of the changed palindromes are "
    "still called so; `seen`: at most 10 % are.",
)
def test_some_positions_are_blind(subject):
    return subject.mistakes.spots()


@claim(
    "algorithmic/palindrome-end-collects",
    says="In one head of layer 1 END looks at unequal pairs, at most positions.",
    source=PALINDROME / "1. Eyeball attention patterns",
    tier=2,
    published="0.317 … 0.000 unequal, 0.081 … 0.006 equal",
    derived=WITHOUT_POSITIONS,
    expect=also_retrained("palindrome", parts(ratio=at_least(2.0), positions=at_least(5))),
    control=(
        instead(
            "the other head of layer 1",
            lambda s: s.attention.collecting(s.roles.last),
            accepted_if="a model in which both heads of layer 1 collect",
        ),
        untrained,
    ),
    note="`ratio`: attention to unequal pairs over attention to equal ones. `positions`: how many "
    "of ten have at least twice as much.",
)
def test_end_collects_unequal_pairs(subject):
    return subject.attention.collecting()


@claim(
    "algorithmic/palindrome-shared-out",
    says="One head of layer 1 reads most unequal pairs, and the other head those that it leaves.",
    source=COMPOSITION,
    tier=1,
    published="7 of 10 and the other 3",
    derived=WITHOUT_POSITIONS,
    expect=also_retrained(
        "palindrome", parts(wanted=at_least(6), apart=at_least(9), no=at_least(6))
    ),
    control=(
        instead(
            "through 0.1",
            lambda s: s.circuits.shared_out(s.roles.other),
            accepted_if="a model whose 0.1 compares pairs",
        ),
        untrained,
    ),
    note="Of ten positions. `wanted`: as keys by END in 1.0; `apart`: by one of 1.0 and 1.1 alone; "
    "`no`: wanted by 1.0, which then says no.",
)
def test_layer_1_shares_positions_out(subject):
    return subject.circuits.shared_out()


@claim(
    "algorithmic/palindrome-one-line",
    says="That a pair is unequal is written along one line at all positions.",
    source=PALINDROME / "A few more experiments",
    tier=1,
    published="at least 0.960 within, at most -0.659 across",
    derived=WITHOUT_POSITIONS,
    expect=also_retrained("palindrome", at_least(0.8)),
    control=(
        instead(
            "head 0.1",
            lambda s: s.circuits.on_one_line(s.roles.other),
            accepted_if="a model whose 0.1 compares pairs",
        ),
        untrained,
    ),
    note="The share of the ten vectors, scaled to one length, that lies along their line.",
)
def test_unequal_pairs_lie_on_one_line(subject):
    return subject.circuits.on_one_line()


@claim(
    "algorithmic/palindrome-composition",
    says="Composition is strong between 0.0 and 1.0, as key and value, and weak everywhere else.",
    source=MORE / "Composition scores",
    tier=2,
    published="qualitative",
    expect=also_retrained(
        "palindrome", parts(K=at_least(1.5), V=at_least(1.5), largest_other=at_most(1.2))
    ),
    control=(
        instead(
            "as query",
            lambda s: s.circuits.composes_as_query(),
            accepted_if="a model in which END asks for what 0.0 wrote there",
        ),
        instead(
            "0.1 and 1.1",
            lambda s: s.circuits.composes(s.roles.other, s.roles.last),
            accepted_if="a model that compares in 0.1 and collects in 1.1",
        ),
    ),
    note="In units of the mean score of random matrices.",
)
def test_one_pair_of_heads_composes(subject):
    return subject.circuits.composes()
