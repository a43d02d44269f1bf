"""Early induction heads, on repeated random tokens."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, each, parts

from .common import (
    BY_ROLE,
    EARLY,
    IN_ALL_SEEDS,
    TOPICS,
    any_prompts,
    known_roles,
    models,
    untrained,
)


@claim(
    "ioi/induction-attn-5.5-6.9",
    says="On random tokens said twice, 5.5 and 6.9 attend to the token after the first copy.",
    source=EARLY,
    tier=1,
    published="qualitative, two attention maps",
    expect=any_prompts(
        models(
            parts(
                attention=each(at_least(0.4, because="read off two maps")),
                times_duplicate=each(at_least(5)),
            )
        )
    ),
    control=(
        instead(
            "previous-token heads",
            lambda s: s.early_heads.induction(s.roles.previous),
            accepted_if="A head with two roles, which attends one token back or one copy back.",
        ),
        instead(
            "duplicate-token heads",
            lambda s: s.early_heads.induction(s.roles.duplicate),
            accepted_if="A duplicate-token head that is an induction head where texts repeat.",
        ),
        instead(
            "a fresh second half",
            lambda s: s.early_heads.induction(s.roles.induction, repeated=False),
            accepted_if="Heads that look a fixed number of tokens back, whatever stands there.",
        ),
        untrained,
    ),
    version=2,
    note="Both values of each head, on 32 rows of 15 repeated tokens (10 for toys): the score, "
    f"and how many times the duplicate-token score it is. {BY_ROLE}",
    asserted_of=IN_ALL_SEEDS,
    costly=True,
)
def test_two_heads_are_induction_heads(subject):
    return subject.early_heads.induction(subject.roles.induction)


@claim(
    "ioi/induction-heads-in-dup-role",
    says="Induction heads supply the S-inhibition heads with the signal of a duplicate.",
    source=EARLY,
    tier=2,
    published="qualitative",
    expect=models(parts(effect=each(at_most(-0.02)), margin=each(at_least(0.0)))),
    control=(
        instead(
            "other early heads",
            lambda s: s.early_paths.into_inhibition(s.roles.outside_early),
            accepted_if="A model in which every head of these layers notices the duplicate.",
        ),
        instead(
            "duplicate-token heads",
            lambda s: s.early_paths.into_inhibition(s.roles.duplicate),
            accepted_if="Duplicate-token heads that are induction heads on random tokens.",
        ),
    ),
    version=2,
    note="The effect of 5.5 and of 6.9 through values or keys of the S-inhibition heads, "
    "whichever is stronger. The margin is induction score less duplicate score.",
    costly=True,
)
def test_induction_heads_detect_duplicates(subject):
    return subject.early_paths.into_inhibition(subject.roles.induction)


@claim(
    "ioi/induction-score-all-heads",
    says="Attention to the token after the first copy picks out the induction heads of all heads.",
    source=EARLY,
    tier=1,
    published="qualitative",
    expect=any_prompts(known_roles(each(at_most(6)))),
    control=(
        instead(
            "a fresh second half",
            lambda s: s.early_heads.ranks(s.roles.induction, repeated=False),
            accepted_if="Heads that look a fixed number of tokens back, whatever stands there.",
        ),
        instead(
            "duplicate-token heads",
            lambda s: s.early_heads.ranks(s.roles.duplicate),
            accepted_if="A duplicate-token head that is an induction head where texts repeat.",
        ),
        untrained,
    ),
    version=2,
    note="The ranks of 5.5 and 6.9 among all heads; their scores are those of "
    "`ioi/induction-attn-5.5-6.9`. Toys are left out, since this very score gives the role.",
    costly=True,
)
def test_the_score_picks_out_induction_heads(subject):
    return subject.early_heads.ranks(subject.roles.induction)


@claim(
    "ioi/duplicate-score",
    says="On random tokens said twice, duplicate-token heads attend to the first copy itself.",
    source=EARLY,
    tier=2,
    published="qualitative",
    expect=any_prompts(
        models(
            each(
                at_least(
                    0.1,
                    because="uniform is 0.03; 0.1 had 0.13 on 100 repeated tokens elsewhere",
                )
            )
        )
    ),
    control=(
        instead(
            "induction heads",
            lambda s: s.early_heads.scores("duplicate", s.roles.induction),
            accepted_if="Induction heads that also attend to the first copy itself.",
        ),
        instead(
            "a fresh second half",
            lambda s: s.early_heads.scores("duplicate", s.roles.duplicate, repeated=False),
            accepted_if="Heads that look a fixed number of tokens back, whatever stands there.",
        ),
    ),
    version=2,
    note=f"The score of each head. {BY_ROLE}",
    costly=True,
)
def test_duplicate_heads_attend_to_the_copy(subject):
    return subject.early_heads.scores("duplicate", subject.roles.duplicate)


@claim(
    "ioi/previous-token-score",
    says="2.2 and 4.11 attend to the previous token.",
    source=EARLY,
    tier=2,
    published="qualitative",
    expect=any_prompts(
        models(
            each(
                at_least(
                    0.3, because="2.2 had 0.48 on 100 repeated tokens elsewhere, 4.11 had 0.99"
                )
            )
        )
    ),
    control=(
        instead(
            "induction heads",
            lambda s: s.early_heads.scores("previous", s.roles.induction),
            accepted_if="Induction heads that look one token back where nothing repeats.",
        ),
        instead(
            "duplicate-token heads",
            lambda s: s.early_heads.scores("previous", s.roles.duplicate),
            accepted_if="Duplicate-token heads that look one token back where nothing repeats.",
        ),
    ),
    version=2,
    note=f"The score of each head. {BY_ROLE}",
    asserted_of=IN_ALL_SEEDS,
    costly=True,
)
def test_previous_token_heads_look_back(subject):
    return subject.early_heads.scores("previous", subject.roles.previous)


@claim(
    "ioi/4.11-off-diagonal",
    says="The attention of 4.11 is almost perfectly off the diagonal.",
    source=TOPICS,
    tier=2,
    published="almost perfect",
    expect=models(parts(prompts=each(at_least(0.9)), random=each(at_least(0.9)))),
    control=instead(
        "an induction head",
        lambda s: s.early_heads.off_diagonal(s.roles.induction[:1]),
        accepted_if="An induction head that looks one token back where nothing repeats.",
    ),
    version=2,
    note="Mean attention to the previous token, on the prompts and on random tokens.",
    costly=True,
)
def test_the_sharpest_previous_token_head(subject):
    return subject.early_heads.off_diagonal(subject.roles.previous[-1:])


@claim(
    "ioi/anti-induction-heads",
    says="Heads found by attention alone include some that suppress the token to come.",
    source=EARLY,
    tier=2,
    published="sometimes",
    expect=any_prompts(models(at_least(1))),
    control=instead(
        "a fresh second half",
        lambda s: s.early_heads.suppressors(repeated=False),
        accepted_if="A head that looks a fixed number of tokens back and suppresses what it sees.",
    ),
    not_asserted="the document speaks of models in general, not of this one",
    version=2,
    note="The number of heads with an induction score above 0.3 whose direct effect on the token "
    "that followed the first copy, less the effect on that of another row, is below -0.01 logits: "
    "a head that writes nothing has a rounding error with a sign.",
    costly=True,
)
def test_some_heads_suppress_the_repeated_token(subject):
    return subject.early_heads.suppressors()


@claim(
    "ioi/induction-only-on-duplicates",
    says="Induction heads look behind S1 only where a name is repeated.",
    source=EARLY,
    tier=2,
    published="a guess",
    expect=models(each(at_least(0.1, because="more than uniform attention over ten tokens"))),
    control=(
        instead(
            "previous-token heads",
            lambda s: s.early_heads.after_s1(s.roles.previous),
            accepted_if="A previous-token head that leaves its token for the one after S1.",
        ),
        instead(
            "duplicate-token heads",
            lambda s: s.early_heads.after_s1(s.roles.duplicate),
            accepted_if="A duplicate-token head that attends one token behind the first copy.",
        ),
    ),
    not_asserted="the document offers this as a guess and shows no number",
    version=2,
    note="Attention from the third name to the token after the first S, less the same on ABC "
    "prompts, where the third name is a new one.",
)
def test_induction_heads_need_a_duplicate(subject):
    return subject.early_heads.after_s1(subject.roles.induction)
