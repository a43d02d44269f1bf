"""Method 3: where the heads look."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, exactly, parts

from .common import PATTERNS, SMALL


@claim(
    "name_recall/0.1-duplicate",
    says="Head 0.1 is a duplicate-token head: from position 11 it looks at position 4.",
    source=PATTERNS,
    tier=1,
    published="qualitative; the caption calls it a previous-token head, a slip",
    expect={group: parts(looks_at=exactly(4), score=at_least(0.2)) for group in SMALL},
    control=instead("head 0.2", lambda s: s.attention.duplicate(s.roles.previous)),
    note="The opening token is left out.  The score is the mean attention, on repeated random "
    "tokens, to the first copy.",
)
def test_a_head_looks_at_the_same_token(subject):
    return subject.attention.duplicate(subject.roles.duplicate)


@claim(
    "name_recall/0.2-previous",
    says="Head 0.2 is a previous-token head: from position 5 it looks at position 4.",
    source=PATTERNS,
    tier=1,
    published="qualitative",
    expect={group: parts(diagonal=at_least(0.3), looks_at=exactly(4)) for group in SMALL},
    control=instead("head 0.1", lambda s: s.attention.previous(s.roles.duplicate)),
    note="The diagonal is the mean attention to the token before, over all positions.",
)
def test_a_head_looks_one_token_back(subject):
    return subject.attention.previous(subject.roles.previous)


@claim(
    "name_recall/1.6-attends-lastname",
    says="Head 1.6 looks from the last token at the last name.",
    source=PATTERNS,
    tier=1,
    published="qualitative",
    expect={group: parts(looks_at=exactly(5), attention=at_least(0.2)) for group in SMALL},
    control=(
        instead("head 0.2", lambda s: s.attention.copying(s.roles.previous)),
        instead(
            "another first name before it",
            lambda s: s.attention.copying(s.roles.copying, "first_name"),
        ),
    ),
)
def test_the_copying_head_looks_at_the_last_name(subject):
    return subject.attention.copying(subject.roles.copying)


@claim(
    "name_recall/1.1-unrecognised",
    says="Head 1.1 is no previous-token, duplicate-token or induction head.",
    source=PATTERNS,
    tier=2,
    published="'I can't recognize what 1.1 is doing'",
    expect={
        group: parts(
            previous=at_most(0.9, because="1 is the head that has the role"),
            duplicate=at_most(0.9),
            induction=at_most(0.9),
        )
        for group in SMALL
    },
    control=instead("head 1.6", lambda s: s.attention.scores_against_roles(s.roles.copying)),
    note="Scores on repeated random tokens, as shares of those of heads 0.2, 0.1 and 1.6.",
)
def test_the_second_head_has_no_known_pattern(subject):
    return subject.attention.scores_against_roles(subject.roles.second)
