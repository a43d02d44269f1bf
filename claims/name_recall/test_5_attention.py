"""Method 3: where the heads look."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, exactly, parts

from .common import NOT_ON_TOYS, PATTERNS, SMALL

KNOWN = "from here on a head counts as one of this kind"


@claim(
    "name_recall/0.1-duplicate",
    says="Head 0.1 is a duplicate-token head: from position 11 it looks at position 4.",
    source=PATTERNS,
    tier=1,
    published="qualitative; the caption calls it a previous-token head, a slip",
    expect={group: parts(looks_at=exactly(4), score=at_least(0.2)) for group in SMALL},
    control=(
        instead(
            "head 0.2",
            lambda s: s.attention.duplicate(s.roles.best("previous")),
            accepted_if="A head that looks at copies as well as one token back.",
        ),
        instead(
            "head 1.6",
            lambda s: s.attention.duplicate(s.roles.best("copying")),
            accepted_if="A head that looks at copies as well as at what followed them.",
        ),
    ),
    no_lesion=NOT_ON_TOYS,
    note="The opening token is left out.  The score is the mean attention, on repeated random "
    "tokens, to the first copy.  On toys no head looks for duplicates, and the head is that of "
    "layer 0 that comes nearest.",
    version=2,
)
def test_a_head_looks_at_the_same_token(subject):
    return subject.attention.duplicate(subject.roles.best("duplicate"))


@claim(
    "name_recall/0.2-previous",
    says="Head 0.2 is a previous-token head: from position 5 it looks at position 4.",
    source=PATTERNS,
    tier=1,
    published="qualitative",
    expect={group: parts(diagonal=at_least(0.3), looks_at=exactly(4)) for group in SMALL},
    control=(
        instead(
            "head 0.1",
            lambda s: s.attention.previous(s.roles.best("duplicate")),
            only="gelu-2l",
            accepted_if="A head that looks one token back where it finds no copy.",
        ),
        instead(
            "head 1.6",
            lambda s: s.attention.previous(s.roles.best("copying")),
            accepted_if="A head that looks one token back where there is nothing to copy.",
        ),
        instead(
            "two tokens back",
            lambda s: s.attention.previous(s.roles.best("previous"), back=2),
            accepted_if="A head that divides its attention between the last two tokens.",
        ),
    ),
    note="The diagonal is the mean attention to the token before, over all positions.",
    version=2,
)
def test_a_head_looks_one_token_back(subject):
    return subject.attention.previous(subject.roles.best("previous"))


@claim(
    "name_recall/1.6-attends-lastname",
    says="Head 1.6 looks from the last token at the last name.",
    source=PATTERNS,
    tier=1,
    published="qualitative",
    expect={group: parts(looks_at=exactly(5), attention=at_least(0.2)) for group in SMALL},
    control=(
        instead(
            "head 0.2",
            lambda s: s.attention.copying(s.roles.best("previous")),
            accepted_if="A head of layer 0 that looks at last names wherever they stand.",
        ),
        instead(
            "another first name before it",
            lambda s: s.attention.copying(s.roles.best("copying"), "first_name"),
            accepted_if="A head that looks at the only last name, whoever is asked for.",
        ),
    ),
)
def test_the_copying_head_looks_at_the_last_name(subject):
    return subject.attention.copying(subject.roles.best("copying"))


@claim(
    "name_recall/1.1-unrecognised",
    says="Head 1.1 is no previous-token, duplicate-token or induction head.",
    source=PATTERNS,
    tier=2,
    published="'I can't recognize what 1.1 is doing'",
    expect={
        "gelu-2l": parts(
            previous=at_most(0.3, because=KNOWN),
            duplicate=at_most(0.2, because=KNOWN),
            induction=at_most(0.3, because=KNOWN),
        )
    },
    control=(
        instead(
            "head 0.2",
            lambda s: s.attention.scores(s.roles.best("previous")),
            accepted_if="A model in which 0.2 looks back at names only.",
        ),
        instead(
            "head 0.1",
            lambda s: s.attention.scores(s.roles.best("duplicate")),
            accepted_if="A model in which 0.1 finds copies of names only.",
        ),
        instead(
            "head 1.6",
            lambda s: s.attention.scores(s.roles.best("copying")),
            accepted_if="A model in which 1.6 does induction on names only.",
        ),
    ),
    note="Scores on repeated random tokens.  No toy has such a head: the copying heads leave "
    "nothing for a second one to do.",
    version=2,
)
def test_the_second_head_has_no_known_pattern(subject):
    return subject.attention.scores(subject.roles.best("second"))
