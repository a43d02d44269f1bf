"""Method 1 on two layers, and why one layer is not enough."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, parts
from replications.systems.name_recall.measurements.two_layers import one_person

from .common import FULL_STOP, GUESSING, SMALL, TWO_LAYERS, UNRELATED


@claim(
    "name_recall/gelu2l-solves",
    says="Two layers are enough to recall the last name.",
    source=TWO_LAYERS,
    tier=2,
    published="'can just about do this task', 'still really good at this task'",
    expect={
        group: parts(difference=at_least(1.0), share_of_pairs=at_least(0.8)) for group in SMALL
    },
    control=instead(
        "no last name given",
        lambda s: s.two_layers.solves(introduced=False),
        accepted_if="A model that has learnt by heart which last names go with which first names.",
    ),
    note="The logit difference on the document's prompt, and the share of fifty pairs of names for "
    "which it is positive.  A one-layer model is no control here: with one person in the prompt it "
    "can copy the only last name.  It is compared on two people, below.",
)
def test_two_layers_recall(subject):
    return subject.two_layers.solves()


@claim(
    "name_recall/gelu2l-firstname-path",
    says="Between the two layers, the first name is at position 5.",
    source=TWO_LAYERS,
    tier=1,
    published="qualitative",
    expect={
        group: at_least(0.5, because="more than half, so that most of it takes this way")
        for group in SMALL
    },
    control=(
        instead(
            "where it stands",
            lambda s: s.two_layers.between_layers("first_name", 4),
            accepted_if="A model that reads the first name in layer 1 where it stands, as one "
            "does that has learnt nothing.",
        ),
        instead(
            "the last token",
            lambda s: s.two_layers.between_layers("first_name", 11),
            accepted_if="A model whose duplicate-token heads bring the match to the end in "
            "layer 0.",
        ),
    ),
    note="The effect in row 1, as a share of the whole corruption's.  The picture's rows 0 and 2 "
    "say nothing: before layer 0 all of the first name is at position 4 and after layer 1 all of "
    "it is at position 11, whatever the model.",
    version=2,
)
def test_the_first_name_takes_two_steps(subject):
    return subject.two_layers.between_layers("first_name")


@claim(
    "name_recall/gelu2l-lastname-path",
    says="The last name goes from position 5 to position 11 in layer 1 only.",
    source=TWO_LAYERS,
    tier=1,
    published="qualitative",
    expect={
        group: at_least(0.8, because="at least 0.9 at position 5, at most 0.1 at position 11")
        for group in SMALL
    },
    control=(
        instead(
            "the full stop after it",
            lambda s: s.two_layers.stays_at(FULL_STOP),
            accepted_if="A model that stores the last name one token after it.",
        ),
        instead(
            "an unrelated position",
            lambda s: s.two_layers.stays_at(UNRELATED),
            accepted_if="A model that stores the last name at the start of the next sentence.",
        ),
    ),
    note="Between the two layers, the effect at position 5 less that at position 11, as a share of "
    "the whole corruption's.  Rows 0 and 2 of the picture are at positions 5 and 11 whatever the "
    "model.",
    version=2,
)
def test_the_last_name_takes_one_step(subject):
    return subject.two_layers.stays_at(5)


@claim(
    "name_recall/one-layer-impossible",
    says="One layer cannot recall: asked for one of two people, it prefers neither last name.",
    source=GUESSING,
    tier=2,
    published="an argument: every step of serial computation needs a layer",
    expect={"toy": parts(two_layers=at_least(1.0), share_with_one=at_most(0.1))},
    control=(
        instead(
            "one person in the prompt",
            lambda s: s.two_layers.against_one_layer(of=one_person),
            accepted_if="A model of one layer that does not copy even the only last name.",
        ),
        instead(
            "the attention of layer 1 silenced",
            lambda s: s.two_layers.against_one_layer(silenced=1),
            accepted_if="A model that recalls in layer 0.",
        ),
    ),
    note="The mean logit difference between the last name asked for and the other one given.  Each "
    "pair of people appears twice, once for each person asked for, so copying any last name gives "
    "zero.  gelu-1l is not one of our subjects.",
    version=2,
)
def test_one_layer_cannot_recall(subject):
    return subject.two_layers.against_one_layer()
