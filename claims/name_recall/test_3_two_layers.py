"""Method 1 on two layers, and why one layer is not enough."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, between, exactly, parts

from .common import GUESSING, SMALL, TWO_LAYERS


@claim(
    "name_recall/gelu2l-solves",
    says="Two layers are enough to recall the last name.",
    source=TWO_LAYERS,
    tier=2,
    published="'can just about do this task', 'still really good at this task'",
    expect={
        group: parts(difference=at_least(1.0), share_of_pairs=at_least(0.8)) for group in SMALL
    },
    control=instead("no last name given", lambda s: s.two_layers.solves(introduced=False)),
    note="The logit difference on the document's prompt, and the share of fifty pairs of names for "
    "which it is positive.  A one-layer model is no control here: with one person in the prompt it "
    "can copy the only last name.  It is compared on two people, below.",
)
def test_two_layers_recall(subject):
    return subject.two_layers.solves()


@claim(
    "name_recall/gelu2l-firstname-path",
    says="The first name goes to position 5 in layer 0 and to position 11 in layer 1.",
    source=TWO_LAYERS,
    tier=1,
    published="qualitative",
    expect={group: exactly([4, 5, 11]) for group in SMALL},
    control=instead("the last name", lambda s: s.two_layers.path("last_name")),
    note="The position with the largest effect in rows 0, 1 and 2.",
)
def test_the_first_name_takes_two_steps(subject):
    return subject.two_layers.path("first_name")


@claim(
    "name_recall/gelu2l-lastname-path",
    says="The last name goes from position 5 to position 11 in layer 1 only.",
    source=TWO_LAYERS,
    tier=1,
    published="qualitative",
    expect={
        group: parts(
            row_0_at_5=at_least(0.9),
            row_1_at_5=at_least(0.9),
            row_1_at_11=between(-0.1, 0.1),
            row_2_at_11=at_least(0.9),
        )
        for group in SMALL
    },
    control=instead("the first name", lambda s: s.two_layers.one_step("first_name")),
    note="Shares of the whole corruption's effect.",
)
def test_the_last_name_takes_one_step(subject):
    return subject.two_layers.one_step("last_name")


@claim(
    "name_recall/one-layer-impossible",
    says="One layer cannot recall: asked for one of two people, it prefers neither last name.",
    source=GUESSING,
    tier=2,
    published="an argument: every step of serial computation needs a layer",
    expect={"toy": parts(two_layers=at_least(1.0), share_with_one=at_most(0.1))},
    control=(
        instead(
            "two layers in the place of one",
            lambda s: s.two_layers.against_one_layer(one_layer=[s.task]),
        ),
        instead(
            "one layer in the place of two",
            lambda s: s.two_layers.against_one_layer(two_layers=s.one_layer_models[0].task),
        ),
    ),
    note="The mean logit difference between the last name asked for and the other one given.  Each "
    "pair of people appears twice, once for each person asked for, so copying any last name gives "
    "zero.  gelu-1l is not one of our subjects.",
)
def test_one_layer_cannot_recall(subject):
    return subject.two_layers.against_one_layer()
