"""Is a sequence of twenty numbers a palindrome? The classifier, its circuit and its blind spots."""

from __future__ import annotations

from replications.judging import at_least, at_most, claim, exactly, instead, near, parts

from . import published
from .common import PALINDROME, figure, figures, named, printed, raw, untrained

COMPOSITION = PALINDROME / "5. Composition of 0.0 and 1.0"
MORE = PALINDROME / "A few more experiments"
STORED = MORE / 'How is the "non-palindromic" information stored?'
SET = "2,500 sequences, seed 42."
BLIND = "17 and 19 instead"
"""The control that puts the blind spots in the place of other positions."""


@claim(
    "algorithmic/palindrome-headline",
    says="The classifier is nearly always right at END.",
    source=PALINDROME / "Solutions",
    tier=1,
    published="loss 0.008, logit difference 7.489",
    expect={"palindrome": parts(loss=printed(0.008), logit_difference=printed(7.489))},
    control=(
        instead(
            "read at position 20",
            lambda s: s.behaviour.headline(position=20),
            accepted_if="a model that knows the answer before END, as it could: 20 sees all pairs",
        ),
        instead(
            "labels in another order",
            lambda s: s.behaviour.headline(shuffled=True),
            accepted_if="a set in which nearly all sequences have one label",
        ),
        untrained,
    ),
    note=SET,
)
def test_the_classifier_is_nearly_always_right(subject):
    return subject.behaviour.headline()


@claim(
    "algorithmic/palindrome-mean-ablation",
    says="Heads 0.0 and 1.0 carry the task; 0.1 and 1.1 hardly matter.",
    source=PALINDROME / "2. Head ablations",
    tier=1,
    published="0.614, 6.642, 0.299, 6.815",
    expect={
        "palindrome": named(
            {
                "0.0": printed(0.614),
                "0.1": printed(6.642),
                "1.0": printed(0.299),
                "1.1": printed(6.815),
            }
        )
    },
    control=(
        instead(
            "one mean for all positions",
            lambda s: s.behaviour.mean_ablated(by_position=False),
            accepted_if="heads that write the same on average at every position",
        ),
        untrained,
    ),
    note="The logit difference that is left, of 7.489. The document calls the function a loss.",
)
def test_two_heads_carry_the_task(subject):
    return subject.behaviour.mean_ablated()


@claim(
    "algorithmic/palindrome-zero-ablation",
    says="Zero ablation makes head 0.1 look important, which by mean ablation it is not.",
    source=PALINDROME / "2. Head ablations",
    tier=1,
    published="1.672, 3.477, 2.847, 7.274",
    expect={
        "palindrome": named(
            {
                "0.0": printed(1.672),
                "0.1": printed(3.477),
                "1.0": printed(2.847),
                "1.1": printed(7.274),
            },
            zero_share=at_most(0.6),
            mean_share=at_least(0.85),
        )
    },
    control=(
        raw,
        instead(
            "value biases not folded",
            lambda s: s.value_biases_kept.behaviour.zero_ablated(),
            accepted_if="a model whose value biases are zero",
        ),
        instead(
            "head 1.1 in place of 0.1",
            lambda s: s.behaviour.zero_ablated(s.roles.last),
            accepted_if="a model whose 1.1 is far from zero on average, and always the same",
        ),
        instead(
            "head 0.0 in place of 0.1",
            lambda s: s.behaviour.zero_ablated(s.roles.compare),
            accepted_if="a model that compares pairs in 0.1 alone",
        ),
    ),
    note="The numbers belong to processed weights: zero ablation depends on where value biases "
    "are. `zero_share` and `mean_share` are what the two ablations of 0.1 leave.",
)
def test_zero_ablation_misleads(subject):
    return subject.behaviour.zero_ablated()


@claim(
    "algorithmic/palindrome-targeted-ablation",
    says="Heads 0.1 and 1.1 work at position 20 alone; 1.1 does not raise the logit difference.",
    source=MORE / "Targeted ablations",
    tier=2,
    published="0.008; 0.118, 0.010; 0.014, 0.008",
    expect={
        "palindrome": parts(
            clean=printed(0.008),
            output=printed(0.118),
            output_but_at_20=printed(0.010),
            values=printed(0.014),
            values_but_at_20=printed(0.008),
            gain=at_least(0.0),
        )
    },
    control=(
        instead(
            "another position spared",
            lambda s: s.behaviour.targeted_elsewhere(),
            accepted_if="a model whose 0.1 and 1.1 work at another single position",
        ),
        instead(
            "heads 0.0 and 1.0",
            lambda s: s.behaviour.targeted(heads=(s.roles.compare, s.roles.collect)),
            accepted_if="a model in which the heads of a layer have changed places",
        ),
        instead(
            "the output of 1.1",
            lambda s: s.behaviour.targeted(of="z"),
            accepted_if="a model whose 1.1 always looks at the same position",
        ),
        untrained,
    ),
    note="Losses with the output of 0.1, or the values of 1.1, mean-ablated everywhere and "
    "everywhere but at 20. `gain`: the logit difference without the values of 1.1, less the clean "
    "one.",
)
def test_two_heads_work_at_position_20(subject):
    return subject.behaviour.targeted()


@claim(
    "algorithmic/palindrome-lambda-pattern",
    says="In head 0.0 a number looks at its mirror if the two are equal, and else at itself.",
    source=PALINDROME / "1. Eyeball attention patterns",
    tier=1,
    published="qualitative",
    expect={
        "palindrome": parts(
            equal=at_least(0.95), unequal=at_least(0.8), unequal_at_20=at_least(0.6)
        )
    },
    control=(
        instead(
            "head 0.1",
            lambda s: s.attention.mirror_or_itself(s.roles.other),
            accepted_if="a model whose 0.1 compares pairs",
        ),
        instead(
            BLIND,
            lambda s: s.attention.mirror_or_itself(blind=True),
            accepted_if="a model without blind spots at 17 and 19",
        ),
    ),
    note="Positions 11 to 16, 18 and 20; the smallest share of sequences in which the attention is "
    "largest there.",
)
def test_a_number_looks_at_its_mirror_or_at_itself(subject):
    return subject.attention.mirror_or_itself()


@claim(
    "algorithmic/palindrome-attention-difference",
    says="Making a pair unequal moves the attention of 0.0 from the mirror to the number itself.",
    source=COMPOSITION,
    tier=1,
    published="0.373 and 0.544",
    expect={
        "palindrome": parts(
            rise=near(0.373, abs=6e-3, because="three standard deviations of a fresh draw"),
            fall=near(0.544, abs=6e-3, because="three standard deviations of a fresh draw"),
            rises=figure(published.RISES, abs=0.02, because="another draw than the published"),
            falls=figure(published.FALLS, abs=0.02, because="another draw than the published"),
        )
    },
    control=(
        instead(
            "head 0.1",
            lambda s: s.attention.moved(s.roles.other),
            accepted_if="a model whose 0.1 compares pairs",
        ),
        instead(
            BLIND,
            lambda s: s.attention.moved(over=(17, 19)),
            accepted_if="a model without blind spots at 17 and 19",
        ),
    ),
    note="What is added to make a pair unequal was drawn on a GPU, so the draw cannot be repeated, "
    "only its law. The means leave out 17 and 19.",
)
def test_attention_moves_to_the_number_itself(subject):
    return subject.attention.moved()


@claim(
    "algorithmic/palindrome-20-in-head-0.0",
    says="Head 0.0 does not see whether the pair of 1 and 20 is equal.",
    source=STORED,
    tier=2,
    published="stated at the end",
    expect={"palindrome": at_most(0.15, because="17 and 19, which it does not see: 0.112, 0.064")},
    control=instead(
        "position 18",
        lambda s: s.attention.moved_at(18),
        accepted_if="a model that does not see the pair of 3 and 18",
    ),
    not_asserted="the document contradicts itself: it first blames head 1.0 for position 20 and at "
    "the end head 0.0, but its own figure has a rise of 0.303 at 20, like that of pairs it sees",
)
def test_head_0_0_is_blind_at_20(subject):
    return subject.attention.moved_at(20)


@claim(
    "algorithmic/palindrome-qk-self",
    says="In 0.0 numbers ask for themselves and positions for mirror or self; 0.1 avoids equals.",
    source=PALINDROME / "3. Full QK matrix of head 0.0",
    tier=2,
    published="diagonal 0.186 (14) to 0.760 (27); mirrors 0.245 … 0.539",
    expect={
        "palindrome": parts(
            rows=exactly(31),
            weakest=near(0.186, abs=1e-3),
            strongest=near(0.760, abs=1e-3),
            extremes=exactly([14, 27]),
            mirrors=figure(published.MIRRORS, abs=1e-3),
            places=exactly(10),
            other=at_most(0.0),
        )
    },
    control=(
        instead(
            "1.0 for numbers, 0.1 for positions",
            lambda s: s.circuits.self_attention(s.roles.collect, s.roles.other, s.roles.collect),
            accepted_if="a model in which these heads match, and 1.0 avoids equal numbers",
        ),
        instead(
            "1.1 for numbers, 0.1 for positions",
            lambda s: s.circuits.self_attention(s.roles.last, s.roles.other, s.roles.last),
            accepted_if="a model in which these heads match, and 1.1 avoids equal numbers",
        ),
        untrained,
    ),
    note="The figure of positions leaves START out of the soft-max: with START among the keys the "
    "first mirror would have 0.232 in place of 0.245.",
)
def test_numbers_ask_for_themselves(subject):
    return subject.circuits.self_attention()


@claim(
    "algorithmic/palindrome-blind-spots",
    says="A palindrome broken at 17 alone, or at 19 alone, is still called a palindrome.",
    source=PALINDROME / "4. Investigating adversarial examples",
    tier=1,
    published="high probability",
    expect={"palindrome": named({"17": at_least(0.99), "19": at_least(0.99)})},
    control=(
        instead(
            "the best other position",
            lambda s: s.mistakes.best_elsewhere(),
            accepted_if="a model with another blind spot",
        ),
    ),
    note="Share of the palindromes of the set, with one number of the second half raised by one.",
)
def test_the_classifier_is_blind_at_17_and_19(subject):
    return subject.mistakes.at_blind_spots()


@claim(
    "algorithmic/palindrome-natural-adversarial",
    says="Two of three errors in the set are unequal only at 17 or 19; that type is never right.",
    source=PALINDROME / "4. Investigating adversarial examples",
    tier=1,
    published="2; 1; 0, and three sequences",
    expect={
        "palindrome": parts(
            blind=exactly(2),
            others=exactly(1),
            right=exactly(0),
            sequences=exactly(published.ERRORS),
        )
    },
    control=(
        instead(
            "all other pairs of positions",
            lambda s: s.mistakes.natural_elsewhere(),
            accepted_if="a model that misses every sequence that is unequal at two positions",
        ),
        untrained,
    ),
    note="The set has only two sequences of that type; palindrome-blind-spots is the strong form.",
)
def test_two_errors_of_the_set_are_at_blind_spots(subject):
    return subject.mistakes.natural()


@claim(
    "algorithmic/palindrome-end-attention",
    says="END looks at unequal pairs in 1.0, never at 17, 19 and 20; in 1.1 it looks at 20.",
    source=PALINDROME / "1. Eyeball attention patterns",
    tier=2,
    published="0.317 … 0.000 unequal, 0.081 … 0.006 equal",
    expect={
        "palindrome": parts(
            unequal=figure(published.END_UNEQUAL, abs=1e-3),
            equal=figure(published.END_EQUAL, abs=1e-3),
            last_at_20=at_least(0.6),
            last_ratio=at_least(2.0),
            start=at_most(0.05),
        )
    },
    control=(
        instead(
            "1.0 and 1.1 exchanged",
            lambda s: s.attention.end(exchanged=True),
            accepted_if="a model in which the heads of layer 1 have changed places",
        ),
        instead(
            "START in head 0.0",
            lambda s: s.attention.end(resting=s.roles.compare),
            accepted_if="a model in which END finds something to look at in 0.0",
        ),
        untrained,
    ),
    note="`last_ratio`: the attention of 1.1 to 20 over that where the pair is equal. `start`: the "
    "attention of 1.0 to START over palindromes.",
)
def test_end_looks_at_unequal_pairs(subject):
    return subject.attention.end()


@claim(
    "algorithmic/palindrome-k-composition",
    says="END's query in 1.0 wants what 0.0 writes at unequal pairs; at 17, 19, 20 1.1's does.",
    source=COMPOSITION / "First experiment: K-composition",
    tier=1,
    published="1.0: 0.954 … -0.949; 1.1: -0.764 … 0.824",
    expect={"palindrome": named(figures(published.KEYS, abs=2e-3))},
    control=(
        instead(
            "through 0.1",
            lambda s: s.circuits.as_key(s.roles.other),
            accepted_if="a model whose 0.1 compares pairs",
        ),
        raw,
    ),
    note="Cosines, pair by pair. The raw weights miss those of 1.1 by up to 0.06.",
)
def test_unequal_pairs_are_keys(subject):
    return subject.circuits.as_key()


@claim(
    "algorithmic/palindrome-v-composition",
    says="What 0.0 writes at unequal pairs says no through 1.0, and through 1.1 at 17, 19 and 20.",
    source=COMPOSITION / "Second experiment: V-composition",
    tier=2,
    published="1.0: 9.34 … -6.80; 1.1: -1.61 … 2.64",
    expect={"palindrome": named(figures(published.VALUES, abs=0.01))},
    control=(
        instead(
            "through 0.1",
            lambda s: s.circuits.as_value(s.roles.other),
            accepted_if="a model whose 0.1 compares pairs",
        ),
        instead(
            "coefficient 0.544",
            lambda s: s.circuits.as_value(coefficient=0.544),
            accepted_if="a document that scales by the fall of attention",
        ),
    ),
    note="logit(no) - logit(yes). The document scales by 0.373, the rise of attention, and not by "
    "0.544, its fall, for the sole reason that this is more conservative.",
)
def test_unequal_pairs_say_no(subject):
    return subject.circuits.as_value()


@claim(
    "algorithmic/palindrome-difference-vectors",
    says="That a pair is unequal is one direction for all positions except 17, 19 and 20.",
    source=STORED,
    tier=1,
    published="at least 0.960 within, at most -0.659 across",
    expect={
        "palindrome": parts(smallest=near(0.960, abs=2e-3), largest_across=near(-0.659, abs=2e-3))
    },
    control=(
        instead(
            "head 0.1",
            lambda s: s.circuits.one_direction(s.roles.other),
            accepted_if="a model whose 0.1 compares pairs",
        ),
        untrained,
    ),
)
def test_unequal_pairs_share_a_direction(subject):
    return subject.circuits.one_direction()


@claim(
    "algorithmic/palindrome-composition",
    says="Composition is strong between 0.0 and 1.0, as key and value, and weak everywhere else.",
    source=MORE / "Composition scores",
    tier=2,
    published="qualitative",
    expect={"palindrome": parts(K=at_least(1.5), V=at_least(1.5), largest_other=at_most(1.2))},
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
