"""Is a sequence of twenty numbers a palindrome? The classifier, and its heads taken out."""

from __future__ import annotations

from replications.judging import at_least, at_most, claim, instead, parts

from .common import PALINDROME, also_retrained, named, printed, raw, untrained

MORE = PALINDROME / "A few more experiments"
SET = "2,500 sequences, seed 42."
LITTLE = at_most(2.0, because="about a quarter of the published 7.489")
MOST = at_least(5.0, because="two thirds of the published 7.489")


@claim(
    "algorithmic/palindrome-headline",
    says="The classifier is nearly always right at END.",
    source=PALINDROME / "Solutions",
    tier=1,
    published="loss 0.008, logit difference 7.489",
    expect=also_retrained(
        "palindrome",
        parts(loss=printed(0.008), logit_difference=printed(7.489)),
        parts(loss=at_most(0.05), logit_difference=at_least(4.0)),
    ),
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
    costly=True,
)
def test_the_classifier_is_nearly_always_right(subject):
    return subject.behaviour.headline()


@claim(
    "algorithmic/palindrome-mean-ablation",
    says="Heads 0.0 and 1.0 carry the task; 0.1 and 1.1 hardly matter.",
    source=PALINDROME / "2. Head ablations",
    tier=1,
    published="0.614, 6.642, 0.299, 6.815",
    expect=also_retrained(
        "palindrome",
        named(
            {
                "0.0": printed(0.614),
                "0.1": printed(6.642),
                "1.0": printed(0.299),
                "1.1": printed(6.815),
            }
        ),
        named({"0.0": LITTLE, "0.1": MOST, "1.0": LITTLE, "1.1": MOST}),
    ),
    costly=True,
    control=(
        instead(
            "heads of each layer exchanged",
            lambda s: s.behaviour.mean_ablated(exchanged=True),
            accepted_if="a model in which the heads of a layer have changed places",
        ),
        instead(
            "one mean for all positions",
            lambda s: s.behaviour.mean_ablated(by_position=False),
            only="palindrome",
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
    "algorithmic/palindrome-zero-against-mean",
    says="Zero ablation of the head that does not compare pairs hurts, mean ablation does not.",
    source=PALINDROME / "2. Head ablations",
    tier=1,
    published="3.477 and 6.642 of 7.489",
    derived="the shares of palindrome-zero-ablation alone",
    expect=also_retrained("palindrome", parts(zero_share=at_most(0.6), mean_share=at_least(0.85))),
    costly=True,
    control=(
        instead(
            "head 1.1 in place of 0.1",
            lambda s: s.behaviour.shares(s.roles.last),
            accepted_if="a model whose 1.1 is far from zero on average, and always the same",
        ),
        instead(
            "head 0.0 in place of 0.1",
            lambda s: s.behaviour.shares(s.roles.compare),
            accepted_if="a model that compares pairs in 0.1 alone",
        ),
    ),
)
def test_zero_ablation_misleads_in_other_models_too(subject):
    return subject.behaviour.shares()


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
