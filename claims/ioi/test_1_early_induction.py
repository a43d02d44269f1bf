"""Early induction heads, on repeated random tokens."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, parts

from .common import BY_ROLE, EARLY, TOPICS, models, untrained


@claim(
    "ioi/induction-attn-5.5-6.9",
    says="On random tokens said twice, 5.5 and 6.9 attend to the token after the first copy.",
    source=EARLY,
    tier=1,
    published="qualitative, two attention maps",
    expect=models(
        parts(
            attention=at_least(0.4, because="read off two maps"),
            times_duplicate=at_least(5),
        )
    ),
    control=(
        instead("previous-token heads", lambda s: s.early_heads.induction(s.roles.previous)),
        instead("duplicate-token heads", lambda s: s.early_heads.induction(s.roles.duplicate)),
        instead(
            "a fresh second half",
            lambda s: s.early_heads.induction(s.roles.induction, repeated=False),
        ),
        untrained,
    ),
    note="The lower value of both heads, on 32 rows of 15 repeated tokens (10 for toys). "
    f"{BY_ROLE}",
)
def test_two_heads_are_induction_heads(subject):
    return subject.early_heads.induction(subject.roles.induction)


@claim(
    "ioi/induction-heads-in-dup-role",
    says="Induction heads supply the S-inhibition heads with the signal of a duplicate.",
    source=EARLY,
    tier=2,
    published="qualitative",
    expect=models(parts(weakest_effect=at_most(-0.02), score_margin=at_least(0.0))),
    control=instead(
        "other early heads", lambda s: s.early_paths.into_inhibition(s.roles.outside_early)
    ),
    note="The weaker effect of 5.5 and 6.9, each through values or keys of the S-inhibition heads, "
    "whichever is stronger. The margin is induction score less duplicate score.",
)
def test_induction_heads_detect_duplicates(subject):
    return subject.early_paths.into_inhibition(subject.roles.induction)


@claim(
    "ioi/induction-score-all-heads",
    says="Attention to the token after the first copy picks out the induction heads of all heads.",
    source=EARLY,
    tier=1,
    published="qualitative",
    expect=models(
        parts(worst_rank=at_most(6), least=at_least(0.4), spread=at_most(0.1)),
    ),
    control=(
        instead("a fresh second half", lambda s: s.early_heads.ranking(repeated=False)),
        untrained,
    ),
    note="The worse rank of 5.5 and 6.9, and the standard deviation of the score over four "
    "batches. For toys the rank says nothing, since heads are chosen by it.",
)
def test_the_score_picks_out_induction_heads(subject):
    return subject.early_heads.ranking()


@claim(
    "ioi/duplicate-score",
    says="Duplicate-token heads attend to the first copy itself, and induction heads do not.",
    source=EARLY,
    tier=2,
    published="qualitative",
    expect=models(
        parts(
            least=at_least(0.2, because="far above 1/30, uniform attention"),
            most_of_others=at_most(0.1),
        )
    ),
    control=instead(
        "both exchanged", lambda s: s.early_heads.duplicate(s.roles.induction, s.roles.duplicate)
    ),
    note=BY_ROLE,
)
def test_duplicate_heads_attend_to_the_copy(subject):
    return subject.early_heads.duplicate(subject.roles.duplicate, subject.roles.induction)


@claim(
    "ioi/previous-token-score",
    says="2.2 and 4.11 attend to the previous token.",
    source=EARLY,
    tier=2,
    published="qualitative",
    expect=models(at_least(0.4)),
    control=(
        instead("induction heads", lambda s: s.early_heads.previous(s.roles.induction, max)),
        instead("duplicate-token heads", lambda s: s.early_heads.previous(s.roles.duplicate, max)),
    ),
    note=f"The lower score of both heads. {BY_ROLE}",
)
def test_previous_token_heads_look_back(subject):
    return subject.early_heads.previous(subject.roles.previous)


@claim(
    "ioi/4.11-off-diagonal",
    says="The attention of 4.11 is almost perfectly off the diagonal.",
    source=TOPICS,
    tier=2,
    published="almost perfect",
    expect=models(parts(prompts=at_least(0.9), random=at_least(0.9))),
    control=instead(
        "an induction head", lambda s: s.early_heads.off_diagonal(s.roles.induction[0])
    ),
    note="Mean attention to the previous token, on the prompts and on random tokens.",
)
def test_the_sharpest_previous_token_head(subject):
    return subject.early_heads.off_diagonal(subject.roles.previous[-1])


@claim(
    "ioi/anti-induction-heads",
    says="Heads found by attention alone include some that suppress the token to come.",
    source=EARLY,
    tier=2,
    published="sometimes",
    expect=models(at_least(1)),
    control=instead("a fresh second half", lambda s: s.early_heads.suppressors(repeated=False)),
    not_asserted="the document speaks of models in general, not of this one",
    note="The number of heads with an induction score above 0.3 whose direct effect on the token "
    "that followed the first copy, less the effect on that of another row, is negative.",
)
def test_some_heads_suppress_the_repeated_token(subject):
    return subject.early_heads.suppressors()


@claim(
    "ioi/induction-only-on-duplicates",
    says="Induction heads look behind S1 only where a name is repeated.",
    source=EARLY,
    tier=2,
    published="a guess",
    expect=models(parts(three_names=at_most(0.1), repeated_name=at_least(0.3))),
    control=instead("previous-token heads", lambda s: s.early_heads.after_s1(s.roles.previous)),
    note="Attention from the third name to the token after the first S.",
)
def test_induction_heads_need_a_duplicate(subject):
    return subject.early_heads.after_s1(subject.roles.induction)
