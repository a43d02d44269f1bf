"""What feeds the induction heads: key patching, fuzzy induction heads, and two senders at once.

Effects are relative to the gap between the prompts and their ABC versions: 0 is clean, -1 is ABC.
"""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, between, each, exactly, near, parts
from replications.models.sites import K, Q, V

from .common import (
    FUZZY,
    NONLINEAR,
    OTHER_PROMPTS,
    PREVIOUS,
    any_prompts,
    known_roles,
    models,
    untrained,
)

NO_SIZE = "only the sign and a smallest size can be expected of other models"


@claim(
    "ioi/prev-token-key-patching",
    says="Of all heads, 2.2 and 4.11 hurt most through the keys of 5.5 and 6.9.",
    source=PREVIOUS,
    tier=1,
    published="qualitative heatmap",
    expect=models(
        parts(
            named=exactly(2),
            effects=each(
                at_most(
                    -0.01,
                    because="the weaker of them costs 3 % through four heads; these are two",
                )
            ),
        )
    ),
    control=(
        instead(
            "through values",
            lambda s: s.early_paths.from_previous(V, s.roles.induction),
            accepted_if="Induction heads that pass on what previous-token heads wrote.",
        ),
        instead(
            "through queries",
            lambda s: s.early_paths.from_previous(Q, s.roles.induction),
            accepted_if="Induction heads that compare the token before S2 with earlier tokens.",
        ),
        instead(
            "into the keys of other early heads",
            lambda s: s.early_paths.from_previous(K, s.roles.outside_early),
            accepted_if="More induction heads in these layers, among the heads we took for others.",
        ),
        untrained,
    ),
    version=2,
    note="`named` counts the previous-token heads among the two most negative senders; `effects` "
    "are those of the previous-token heads. That no other head has any effect is not claimed: the "
    "document shows a heatmap without numbers.",
    costly=True,
)
def test_previous_token_heads_feed_the_keys(subject):
    return subject.early_paths.from_previous(K, subject.roles.induction)


@claim(
    "ioi/fuzzy-induction-key-patching",
    says="5.8 and 5.9 each lower the logit difference through the keys of S-inhibition heads.",
    source=FUZZY,
    tier=1,
    published=[-0.05, -0.05],
    expect=models(each(at_most(-0.02, because=f"{OTHER_PROMPTS}: sign and smallest size only"))),
    control=(
        instead(
            "through queries",
            lambda s: s.early_paths.through_inhibition(s.roles.fuzzy, Q),
            accepted_if="Fuzzy heads that tell the last token where S-inhibition heads look.",
        ),
        instead(
            "other early heads",
            lambda s: s.early_paths.through_inhibition(s.roles.outside_early, K),
            accepted_if="A model in which every head of these layers notices the duplicate.",
        ),
    ),
    version=2,
)
def test_fuzzy_induction_heads_act_through_keys(subject):
    return subject.early_paths.through_inhibition(subject.roles.fuzzy, K)


@claim(
    "ioi/5.8-5.9-not-general-induction",
    says="On random tokens said twice, 5.8 and 5.9 do not look like induction heads.",
    source=FUZZY,
    tier=2,
    published="qualitative",
    expect=any_prompts(models(each(at_most(0.5)))),
    control=instead(
        "the other induction head",
        lambda s: s.early_heads.times_first(s.roles.induction[1:]),
        accepted_if="A model whose second induction head is less than half as strong as the first.",
    ),
    version=2,
    note="The induction score of each head, relative to that of 5.5. The control is 6.9.",
)
def test_fuzzy_heads_do_not_induce_in_general(subject):
    return subject.early_heads.times_first(subject.roles.fuzzy)


@claim(
    "ioi/5.8-5.9-induction-on-ioi",
    says="On these prompts S2 attends to the token after S1 in 5.8 and 5.9.",
    source=FUZZY,
    tier=2,
    published="qualitative",
    expect=models(each(at_least(0.3, because="three times chance among ten keys or more"))),
    control=(
        instead(
            "three different names",
            lambda s: s.early_heads.share_to_next(s.roles.fuzzy, three_names=True),
            accepted_if="Heads that look behind the first names whether or not one is repeated.",
        ),
        instead(
            "other early heads",
            lambda s: s.early_heads.share_to_next(s.roles.outside_early),
            accepted_if="More induction heads in these layers, among the heads we took for others.",
        ),
    ),
    version=2,
    note="Share of prompts on which this key gets the most attention, the first position left out, "
    "for each head.",
)
def test_fuzzy_heads_induce_on_these_prompts(subject):
    return subject.early_heads.share_to_next(subject.roles.fuzzy)


@claim(
    "ioi/softmax-superadditive-toy",
    says="From scores 0 and -8, one head that adds 4 gives attention 0.018, two heads give 0.5.",
    source=NONLINEAR,
    tier=2,
    published=[0.018, 0.5],
    expect={
        "text": parts(
            one_head=near(0.018, abs=5e-4, because="printed to three decimals"),
            both_heads=exactly(0.5),
        )
    },
    control=instead(
        "linear in the scores",
        lambda s: s.softmax(linear=True),
        accepted_if="Scores so close to each other that softmax is nearly linear between them.",
    ),
)
def test_softmax_is_more_than_additive(subject):
    return subject.softmax()


@claim(
    "ioi/prev-heads-single-fuzzy",
    says="Alone, neither 2.2 nor 4.11 does anything through the keys of 5.8 and 5.9.",
    source=NONLINEAR,
    tier=2,
    published="almost 0 %",
    expect=models(each(between(-0.005, 0.005))),
    control=instead(
        "into 5.5 and 6.9",
        lambda s: s.early_paths.alone(s.roles.previous, s.roles.induction),
        accepted_if="Induction heads that need both previous-token heads.",
    ),
)
def test_one_previous_token_head_is_not_enough(subject):
    return subject.early_paths.alone(subject.roles.previous, subject.roles.fuzzy)


@claim(
    "ioi/prev-heads-joint-fuzzy",
    says="Together, 2.2 and 4.11 do more through 5.8 and 5.9 than each alone, about 1 %.",
    source=NONLINEAR,
    tier=2,
    published=-0.01,
    expect=models(
        parts(
            joint=between(-0.03, -0.005, because=OTHER_PROMPTS),
            beyond_sum=at_most(-0.002, because="two heads that do nothing have an excess of zero"),
        )
    ),
    control=(
        instead(
            "two other heads",
            lambda s: s.early_paths.together(s.roles.outside_earliest, s.roles.fuzzy),
            accepted_if="More previous-token heads, among the heads we took for others.",
        ),
        instead(
            "attention linear in scores",
            lambda s: s.early_paths.together(s.roles.previous, s.roles.fuzzy, softmax="linear"),
            accepted_if="A model whose excess comes from later layers, not from this softmax.",
        ),
    ),
    version=2,
)
def test_two_previous_token_heads_are(subject):
    return subject.early_paths.together(subject.roles.previous, subject.roles.fuzzy)


_SIGNS = parts(
    weaker=at_most(-0.005, because=NO_SIZE),
    stronger=at_most(-0.02),
    joint=at_most(-0.02),
    beyond_sum=at_most(-0.01),
)
_SIZES = parts(
    weaker=near(-0.03, abs=0.025, because="the document names sizes, not how they were averaged"),
    stronger=near(-0.15, abs=0.05),
    joint=near(-0.31, abs=0.07),
    beyond_sum=at_most(-0.05),
)


@claim(
    "ioi/prev-heads-joint-all-four",
    says="Through all four induction heads, 2.2 and 4.11 do more together than their sum.",
    source=NONLINEAR,
    tier=1,
    published=[-0.03, -0.15, -0.31],
    expect={
        **models(_SIGNS),
        **known_roles(_SIZES),
    },
    control=(
        instead(
            "attention linear in scores",
            lambda s: s.early_paths.pair(s.roles.previous, s.roles.all_induction, softmax="linear"),
            accepted_if="A model whose excess comes from later layers, not from this softmax.",
        ),
        instead(
            "two other heads",
            lambda s: s.early_paths.pair(s.roles.outside_earliest, s.roles.all_induction),
            accepted_if="More previous-token heads, among the heads we took for others.",
        ),
    ),
    version=2,
    note="The document does not say which head gives 3 % and which 15 %, so the weaker and the "
    "stronger are compared. Of toys only signs and a smallest size are expected.",
    costly=True,
)
def test_two_senders_are_more_than_their_sum(subject):
    return subject.early_paths.pair(subject.roles.previous, subject.roles.all_induction)
