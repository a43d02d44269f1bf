"""What each neuron is good for."""

from __future__ import annotations

from replications.judging import at_least, at_most, between, claim, exactly, instead, parts

from . import published
from .common import CUMSUM, also_retrained, figure, figures, named, raw, untrained


@claim(
    "algorithmic/cumsum-neuron-ablation",
    says="Neuron 2 matters most, 5 and 6 not at all, the other five a quarter of 2 on average.",
    source=CUMSUM,
    tier=1,
    published="0.0185 0.0163 0.0951 0.0200 0.0311 0.0002 0.0000 0.0465",
    expect={
        "cumsum": parts(
            rises=figure(published.NEURONS, abs=5e-5),
            order=exactly("2 > 7 > 0134 > 56"),
            ratio=between(3.0, 5.0),
        )
    },
    control=(
        instead(
            "neurons at their mean",
            lambda s: s.neurons.ablated("mean"),
            accepted_if="neurons whose mean is zero",
        ),
        raw,
        untrained,
    ),
    note="`ratio`: the rise of 2 over the mean of the next five.",
)
def test_neuron_2_matters_most(subject):
    return subject.neurons.ablated()


@claim(
    "algorithmic/cumsum-neuron-roles",
    says="Neurons 0, 1, 3, 4 serve one sign of the mean so far, and 2 and 7 the other.",
    source=CUMSUM,
    tier=1,
    published="0, 1, 3, 4 against 2, 7",
    expect=also_retrained(
        "cumsum",
        parts(own=at_least(0.95), other=at_most(0.25), apart=exactly(1), pushes=at_least(0.0)),
    ),
    control=(
        instead(
            "4 and 7 exchanged",
            lambda s: s.neurons.sets(*s.roles.exchanged),
            accepted_if="a model in which 4 and 7 have changed sides",
        ),
        instead(
            "5 and 6 in place of 2 and 7",
            lambda s: s.neurons.sets(smaller=s.roles.idle),
            accepted_if="a model in which these two serve the side of 2 and 7",
        ),
        untrained,
    ),
    note="`own` and `other`: the share of positions at which a neuron fires, by the label, at "
    "least and at most. `pushes`: its effect on the answer of its side, less that on the other.",
)
def test_neurons_serve_one_sign_each(subject):
    return subject.neurons.sets()


@claim(
    "algorithmic/cumsum-neuron-signs",
    says="Neurons 0, 1, 3 and 4 are the ones that serve positive sums.",
    source=CUMSUM,
    tier=1,
    published="text: 0, 1, 3, 4 fire on positive means",
    expect={"cumsum": exactly("0134")},
    control=untrained,
    not_asserted="2 and 7 do: the text has the signs the other way round. The published figure of "
    "responses (neuron 2: -17.54 for negative, 17.04 for positive) agrees with the weights",
    no_lesion="it does not hold of the published weights, so no lesion can make it fail",
)
def test_which_neurons_serve_positive_sums(subject):
    return subject.neurons.positive_set()


@claim(
    "algorithmic/cumsum-neuron-response",
    says="Along u neuron 2 answers most, 5 and 6 hardly; each neuron also pushes zero a little.",
    source=CUMSUM,
    tier=2,
    published="2: -17.54, 0.51, 17.04; 7: -12.22, 0.35, 11.87; …",
    expect={
        "cumsum": named(
            figures(published.RESPONSES, abs=0.01),
            of_6=at_most(0.01),
            of_5=at_most(0.02),
            zero=at_least(0.0),
        )
    },
    control=(
        instead(
            "the second direction",
            lambda s: s.neurons.response(which=1),
            accepted_if="a model whose neurons read another direction",
        ),
        instead(
            "positive in place of zero",
            lambda s: s.neurons.response(answer=2),
            accepted_if="a model in which no neuron speaks against positive",
        ),
        untrained,
    ),
    note="The largest effect on negative, zero and positive over -4 u to 4 u. `of_5`: that of 5 "
    "over that of 2. That 5 and 6 do not answer at all is an approximation.",
)
def test_neurons_answer_along_the_direction(subject):
    return subject.neurons.response()


@claim(
    "algorithmic/cumsum-neuron-push-on-zero",
    says="Every useful neuron pushes zero a little, whichever sign it serves.",
    source=CUMSUM,
    tier=2,
    published="0.31 to 0.51, of 6.66 to 17.54",
    derived="the column of zero in the figure that cumsum-neuron-response meets",
    expect=also_retrained("cumsum", parts(zero=at_least(0.0), share=at_most(0.1))),
    control=(
        instead(
            "positive in place of zero",
            lambda s: s.neurons.push_on_zero(answer=2),
            accepted_if="a model in which no neuron speaks against positive",
        ),
        untrained,
    ),
    note="Along -4 u to 4 u. `share`: the largest effect of a neuron on zero over its effect on "
    "the sign that it serves.",
)
def test_useful_neurons_push_zero(subject):
    return subject.neurons.push_on_zero()
