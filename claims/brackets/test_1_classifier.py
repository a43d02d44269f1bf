"""Section 1: the classifier, its data and its verdicts."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, exactly, listed, near, parts

from .common import MODELS, PRINTED, SETUP, untrained

EXAMPLES = (99.9986, 99.9989, 0.0005, 99.9987, 99.9987, 0.0006, 99.9982)


@claim(
    "brackets/pos-emb-sinusoidal",
    says="The positional embeddings are fixed sinusoids, not learned.",
    source=SETUP / "Other details",
    tier=2,
    published="qualitative",
    expect={"arena": at_most(1e-5, because="float32 rounding of sines and cosines")},
    control=(
        instead(
            "all sines before all cosines",
            lambda s: s.behaviour.distance_from_sinusoid(interleaved=False),
            accepted_if="A model whose table is laid out like that of tensor2tensor.",
        ),
        untrained,
    ),
)
def test_positions_are_sinusoidal(subject):
    return subject.behaviour.distance_from_sinusoid()


@claim(
    "brackets/pad-mask-invariance",
    says="With padding keys masked, the amount of padding does not change the logits.",
    source=SETUP / "Masking padding tokens",
    tier=2,
    published="qualitative",
    expect={
        group: parts(logit_shift=at_most(1e-4), attention_to_pads=at_most(1e-6)) for group in MODELS
    },
    control=instead(
        "no padding mask",
        lambda s: s.behaviour.padding_effect(masked=False),
        accepted_if="A model that has learned by itself to ignore [pad].",
    ),
    costly=True,
)
def test_padding_does_not_change_the_verdict(subject):
    return subject.behaviour.padding_effect()


@claim(
    "brackets/bidirectional-needed",
    says="Made causal, the model does no better than naming the larger class.",
    source=SETUP / "Causal vs bidirectional attention",
    tier=2,
    published="qualitative",
    expect={"arena": at_most(0.02), "retrained": at_most(0.02)},
    control=instead(
        "attention left bidirectional",
        lambda s: s.behaviour.excess_accuracy(causal=False),
        accepted_if="A model that names the larger class whatever the string.",
    ),
    costly=True,
)
def test_causal_attention_destroys_the_classifier(subject):
    return subject.behaviour.excess_accuracy(causal=True)


@claim(
    "brackets/tokenizer-table",
    says="With '(' as token 3 and ')' as token 4 the model judges the printed examples right.",
    source=SETUP / "Tokenizer",
    tier=2,
    published="[0,3,4,2]; [[0,3,4,2,1,1],[0,3,4,3,4,2]]",
    expect={group: exactly(7) for group in MODELS},
    control=instead(
        "ids of the brackets exchanged",
        lambda s: s.behaviour.examples_right(exchanged=True),
        accepted_if="A model trained with the ids of the brackets exchanged.",
    ),
    note="That strings become the printed ids is a unit test.",
    version=2,
)
def test_tokens_are_the_ones_the_model_was_trained_on(subject):
    return subject.behaviour.examples_right()


@claim(
    "brackets/dataset-size-balance",
    says="The data set holds 100,000 strings of up to 40 brackets, about half of them balanced.",
    source=SETUP / "Dataset",
    tier=2,
    published=[100_000, 0.5, 40],
    derived="'about half of them balanced' read as 0.5",
    expect={
        "arena": parts(
            strings=exactly(100_000),
            balanced_share=near(0.5, abs=0.06, because="the document says half; it is 46 %"),
            longest=exactly(40),
        )
    },
    control=(
        instead(
            "uniformly random strings",
            lambda s: s.behaviour.data_profile(random_strings=True),
            accepted_if="A data set of much shorter strings, of which chance balances about half.",
        ),
        instead(
            "equal strings counted once",
            lambda s: s.behaviour.data_profile(distinct=True),
            accepted_if="A data set without duplicates, where now half of the strings are.",
        ),
        instead(
            "lengths counted in tokens",
            lambda s: s.behaviour.data_profile(in_tokens=True),
            accepted_if="A data set whose longest strings have 38 brackets, [start] and [end].",
        ),
    ),
)
def test_data_set_is_large_and_balanced(subject):
    return subject.behaviour.data_profile()


@claim(
    "brackets/even-length",
    says="Every string of the data set has even length, so parity carries no label.",
    source=SETUP / "Data visualisation",
    tier=1,
    published=0,
    expect={"arena": exactly(0)},
    control=instead(
        "strings of random length",
        lambda s: s.behaviour.odd_lengths(random_strings=True),
        accepted_if="A generator of random strings that adds brackets two at a time.",
    ),
    no_lesion="It is a fact about the data set, which a lesion of the model leaves as it is.",
)
def test_all_lengths_are_even(subject):
    return subject.behaviour.odd_lengths()


@claim(
    "brackets/parity-head-by-hand",
    says="One head built by hand tells odd from even length.",
    source=SETUP / "Data visualisation (bonus)",
    tier=2,
    published="construction",
    expect={"construction": exactly(1.0)},
    control=instead(
        "parity taken out of the positions",
        lambda s: s.parity_head_accuracy(parity=False),
        accepted_if="Strings of even lengths only, which a head that never says odd names right.",
    ),
)
def test_one_head_can_tell_parity(subject):
    return subject.parity_head_accuracy()


@claim(
    "brackets/example-confidences",
    says="The seven printed examples get the printed confidence of being balanced (per cent).",
    source=SETUP / "Running the model",
    tier=1,
    published=list(EXAMPLES),
    expect={
        "arena": listed(*(near(x, abs=5e-5, because=PRINTED) for x in EXAMPLES)),
        "retrained": listed(*(at_least(99.9) if x > 50 else at_most(0.1) for x in EXAMPLES)),
    },
    control=(
        instead(
            "ids of the brackets exchanged",
            lambda s: s.behaviour.example_confidences(exchanged=True),
            accepted_if="A model that reads the mirror image of a string as it reads the string.",
        ),
        instead(
            "no padding mask",
            lambda s: s.behaviour.example_confidences(masked=False),
            accepted_if="A model that has learned by itself to ignore [pad].",
        ),
        untrained,
    ),
)
def test_printed_confidences_are_reproduced(subject):
    return subject.behaviour.example_confidences()


@claim(
    "brackets/accuracy-5000",
    says="The model classifies all of 5,000 strings correctly.",
    source=SETUP / "Running the model",
    tier=1,
    published=5000,
    expect={
        "arena": exactly(5000),
        "retrained": at_least(4995, because="trained to 99.9 %; strings not trained on"),
    },
    control=(
        untrained,
        instead(
            "shuffled labels",
            lambda s: s.behaviour.correct(shuffled_labels=True),
            accepted_if="Strings that are nearly all of one class.",
        ),
    ),
    costly=True,
)
def test_all_strings_are_classified_correctly(subject):
    return subject.behaviour.correct()


@claim(
    "brackets/suffix-rule-valid",
    says="A string is unbalanced exactly if its total is not zero or some suffix is negative.",
    source=SETUP / "The Model's Solution",
    tier=2,
    published="equivalence",
    expect={"arena": exactly(0)},
    control=(
        instead(
            "the total alone",
            lambda s: s.behaviour.rule_disagreements(negative=False),
            accepted_if="A data set in which no string fails by a negative suffix alone.",
        ),
        instead(
            "negative suffixes alone",
            lambda s: s.behaviour.rule_disagreements(total=False),
            accepted_if="A data set in which no string fails by its total alone.",
        ),
    ),
)
def test_right_to_left_rule_gives_every_label(subject):
    return subject.behaviour.rule_disagreements()


@claim(
    "brackets/model-uses-suffix",
    says="The tally written at a position is that of the suffix from there on, not of the prefix.",
    source=SETUP / "The Model's Solution",
    tier=1,
    published="qualitative",
    expect={
        group: parts(smallest_lead=at_least(0.6), highest_with_prefix=at_most(0.3))
        for group in MODELS
    },
    control=(
        instead(
            "the other head of layer 0",
            lambda s: s.elevation_head.sibling.suffix_against_prefix,
            accepted_if="A model in which both heads of layer 0 write the tally of the suffix.",
        ),
        untrained,
    ),
    not_asserted="version 1 asked for a correlation of 0.9 with the suffix, which within strings "
    "of one length is missed (0.883 at position 15); the lead of 0.6, which is 0.9 less 0.3, was "
    "chosen after that was seen",
    note="Correlations within strings of one length; version 1 left out suffixes of under five "
    "brackets.  See brackets/tally-at-every-position.",
    version=2,
    costly=True,
)
def test_the_tally_is_of_the_suffix(subject):
    return subject.elevation_head.suffix_against_prefix
