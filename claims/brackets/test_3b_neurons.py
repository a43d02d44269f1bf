"""Section 3: the neurons of mlp0 and mlp1 at position 1."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, each, parts

from .common import CIRCUIT, MODELS, untrained


@claim(
    "brackets/mlp0-indirect-path",
    says="mlp0 acts largely through mlp1, so its own direction shows only part of its role.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=2,
    published="qualitative",
    expect={
        group: parts(change_of_mlp1=at_least(0.5), over_mlp0=at_least(0.5)) for group in MODELS
    },
    control=instead(
        "mlp0 at position 2",
        lambda s: s.circuit.mlp_indirect_share(position=2),
        accepted_if="A model whose layer 1 brings what mlp0 wrote at position 2 to position 1.",
    ),
)
def test_mlp0_acts_through_mlp1(subject):
    return subject.circuit.mlp_indirect_share(position=1)


@claim(
    "brackets/neurons-gt-half",
    says="Neurons 1.53, 1.39, 1.8, 0.33 and 0.43 fire when the share of '(' exceeds one half.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=1,
    published="qualitative",
    expect={"arena": parts(smallest_high=at_least(0.5), largest_abs_low=at_most(0.1))},
    control=(
        instead(
            "neurons 0.21 and 1.50",
            lambda s: s.neurons.fire_above_half("0.21", "1.50"),
            accepted_if="A model whose neurons 0.21 and 1.50 fire above one half.",
        ),
        untrained,
    ),
)
def test_some_neurons_fire_above_one_half(subject):
    return subject.neurons.fire_above_half("1.53", "1.39", "1.8", "0.33", "0.43")


@claim(
    "brackets/neurons-lt-half",
    says="Neurons 0.21, 0.7, 1.50 and 1.6 fire when the share of '(' is below one half.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=1,
    published="qualitative",
    expect={"arena": parts(smallest_low=at_least(0.4), largest_high=at_most(0.1))},
    control=(
        instead(
            "neurons 0.33 and 1.53",
            lambda s: s.neurons.fire_below_half("0.33", "1.53"),
            accepted_if="A model whose neurons 0.33 and 1.53 fire below one half.",
        ),
        untrained,
    ),
)
def test_some_neurons_fire_below_one_half(subject):
    return subject.neurons.fire_below_half("0.21", "0.7", "1.50", "1.6")


@claim(
    "brackets/neurons-composed-l1",
    says="Neurons 1.10 and 1.3 fire on both sides of one half.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=1,
    published="qualitative",
    expect={"arena": parts(smallest_high=at_least(1.0), smallest_low=at_least(1.0))},
    control=(
        instead(
            "neurons 1.53 and 1.50",
            lambda s: s.neurons.fire_on_both_sides("1.53", "1.50"),
            accepted_if="A model whose neurons 1.53 and 1.50 fire on both sides.",
        ),
        untrained,
    ),
)
def test_some_layer_1_neurons_fire_on_both_sides(subject):
    return subject.neurons.fire_on_both_sides("1.10", "1.3")


@claim(
    "brackets/neurons-composed-l0",
    says="Layer-0 neurons 0.19 and 0.34 approximate the two-sided response, more weakly.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=2,
    published="qualitative",
    expect={"arena": parts(smallest_response=at_least(0.05), layer_1_exceeds_by=at_least(0.5))},
    control=(
        instead(
            "neurons 0.33 and 0.21",
            lambda s: s.neurons.weaker_two_sided(("0.33", "0.21"), ("1.10", "1.3")),
            accepted_if="A model whose neurons 0.33 and 0.21 fire weakly on both sides.",
        ),
        instead(
            "against neurons 1.53 and 1.50",
            lambda s: s.neurons.weaker_two_sided(("0.19", "0.34"), ("1.53", "1.50")),
            accepted_if="A model whose neurons 1.53 and 1.50 fire strongly on both sides.",
        ),
    ),
)
def test_layer_0_neurons_only_approximate_it(subject):
    return subject.neurons.weaker_two_sided(("0.19", "0.34"), ("1.10", "1.3"))


@claim(
    "brackets/neurons-gt-more-in-l1",
    says="Neurons that fire above one half are more common in layer 1 than in layer 0.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=2,
    published="qualitative",
    expect={group: each(at_least(1)) for group in MODELS},
    control=(
        instead(
            "what 2.1 reads",
            lambda s: s.neurons_before(s.roles.negative).more_above_half_in_layer1,
        ),
        untrained,
    ),
    not_asserted="vague in the document; the surplus changes sign with the threshold",
    note="Surplus of layer 1 at thresholds 0.1, 0.2, 0.3, 0.5 and 0.8.",
)
def test_more_neurons_fire_above_one_half_in_layer_1(subject):
    return subject.neurons.more_above_half_in_layer1


@claim(
    "brackets/neurons-lt-rarer-in-l1",
    says="Neurons that fire below one half are much rarer in layer 1 than in layer 0.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=2,
    published="qualitative",
    expect={group: each(at_least(1)) for group in MODELS},
    control=(
        instead(
            "neurons that fire above one half",
            lambda s: [-n for n in s.neurons.more_above_half_in_layer1],
        ),
        untrained,
    ),
    not_asserted="vague in the document; the counts are equal at most thresholds",
    note="Surplus of layer 0 at thresholds 0.1, 0.2, 0.3, 0.5 and 0.8.",
)
def test_fewer_neurons_fire_below_one_half_in_layer_1(subject):
    return subject.neurons.fewer_below_half_in_layer1


@claim(
    "brackets/neurons-two-sided-more-in-l1",
    says="More neurons of layer 1 than of layer 0 fire on both sides of one half.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=2,
    published="qualitative",
    expect={group: each(at_least(1)) for group in MODELS},
    control=(
        instead(
            "neurons that fire above one half only",
            lambda s: s.neurons.more_above_half_in_layer1,
        ),
        untrained,
    ),
    note="Surplus of layer 1 at thresholds 0.1, 0.2, 0.3 and 0.5.",
)
def test_more_neurons_are_two_sided_in_layer_1(subject):
    return subject.neurons.more_two_sided_in_layer1


@claim(
    "brackets/neurons-opposite-sign",
    says="Neuron 0.0 works against the direction.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=2,
    published="qualitative",
    expect={"arena": at_most(-1.0)},
    control=instead(
        "neuron 1.53",
        lambda s: s.neurons.high_of("1.53"),
        accepted_if="A model whose neuron 1.53 works against the direction too.",
    ),
)
def test_neuron_0_0_works_the_other_way(subject):
    return subject.neurons.high_of("0.0")


@claim(
    "brackets/neurons-detect-proportion",
    says="Many neurons of both layers answer a share of '(' above or below one half.",
    source=CIRCUIT / "Interpreting the neurons",
    tier=2,
    published="qualitative",
    expect={group: parts(layer_0=at_least(16), layer_1=at_least(9)) for group in MODELS},
    control=(
        instead(
            "strings with a negative suffix only",
            lambda s: s.neurons.detectors(s.task.N),
            accepted_if="A model whose neurons at position 1 answer any failure, not the share.",
        ),
        untrained,
    ),
)
def test_many_neurons_detect_the_proportion(subject):
    return subject.neurons.detectors()
