"""Section 2: backwards from the logits to the heads of layer 2."""

from __future__ import annotations

from replications.judging.claim import claim, instead, on
from replications.judging.expectation import at_least, at_most, exactly, near, parts
from replications.systems.brackets.roles import find_roles

from .common import BACKWARDS, MODELS, PRINTED, untrained


@claim(
    "brackets/ln-final-fit-r2",
    says="A linear map fits the final LayerNorm at position 0 (R²).",
    source=BACKWARDS / "Stage 3: LayerNorm",
    tier=1,
    published=0.9820,
    expect={
        "arena": near(0.9820, abs=5e-5, because=PRINTED),
        "retrained": at_least(0.9),
    },
    control=instead(
        "outputs of other strings",
        lambda s: s.components.final_layernorm_r_squared(shuffled=True),
        accepted_if="A model whose final LayerNorm gives nearly the same for every string.",
    ),
    note="This is no evidence of learned structure: random weights give 0.999.",
)
def test_final_layernorm_is_nearly_linear(subject):
    return subject.components.final_layernorm_r_squared()


@claim(
    "brackets/ln1-layer1-fit-r2",
    says="A linear map fits layer 1's first LayerNorm over all positions (R²).",
    source=BACKWARDS / "Stage 3: LayerNorm",
    tier=1,
    published=0.9753,
    expect={
        "arena": near(0.9753, abs=5e-5, because=PRINTED),
        "retrained": at_least(0.9),
    },
    control=(
        instead(
            "shuffled rows",
            lambda s: s.components.layer1_layernorm_r_squared(shuffled=True),
            accepted_if="A model whose LayerNorm gives nearly the same at every position.",
        ),
        instead(
            "pads left out",
            lambda s: s.components.layer1_layernorm_r_squared(pads=False),
            only="arena",
            accepted_if="A model whose residual stream at pads is like that elsewhere.",
        ),
    ),
    note="Pads are included, as in the document.",
)
def test_layer_1_layernorm_is_nearly_linear(subject):
    return subject.components.layer1_layernorm_r_squared()


@claim(
    "brackets/ln-linear-enough",
    says="The direction read through the linear fit reproduces the real logit difference.",
    source=BACKWARDS / "Stage 3: LayerNorm",
    tier=2,
    published="qualitative",
    expect={
        group: parts(correlation=at_least(0.98), gap_ratio=near(1.0, abs=0.05)) for group in MODELS
    },
    control=(
        instead(
            "a random direction",
            lambda s: s.components.stands_in_for_logits(s.components.random_direction),
            accepted_if="A model whose position 0 varies along one direction only.",
        ),
        on("LayerNorm before scale and bias", lambda s: s.before_scale_and_bias),
    ),
)
def test_one_direction_carries_the_logit_difference(subject):
    return subject.components.stands_in_for_logits()


@claim(
    "brackets/ln-fit-limit",
    says="A linear fit of a LayerNorm fails when one huge feature switches on and off.",
    source=BACKWARDS / "An aside on layernorm",
    tier=2,
    published="qualitative",
    expect={"construction": at_most(0.8)},
    control=instead(
        "no feature stands out",
        lambda s: s.layernorm_fit(huge_feature=False),
        accepted_if="Vectors of width 3, whose length varies so much that no linear map fits.",
    ),
)
def test_a_clearing_feature_breaks_the_linear_fit(subject):
    return subject.layernorm_fit(huge_feature=True)


@claim(
    "brackets/emb-zero-pos0",
    says="The embeddings contribute nothing at position 0, where every input is [start].",
    source=BACKWARDS / "Which components matter?",
    tier=2,
    published=0,
    derived="read off a histogram",
    expect={group: at_most(1e-4) for group in MODELS},
    control=instead(
        "the weakest other component",
        lambda s: s.components.weakest_effect(
            "0.0", "0.1", "mlp0", "1.0", "1.1", "mlp1", "2.0", "2.1", "mlp2"
        ),
        accepted_if="A model with a component that writes the same at position 0 for every string.",
    ),
)
def test_embeddings_contribute_nothing_at_position_0(subject):
    return subject.components.weakest_effect("emb")


@claim(
    "brackets/heads-2x-dominate",
    says="The two heads of layer 2 push unbalanced strings furthest towards unbalanced.",
    source=BACKWARDS / "Which components matter?",
    tier=1,
    published="qualitative",
    expect={
        group: parts(
            smaller_gap=at_least(1.0), times_the_next=at_least(2.0), lower_auroc=at_least(0.98)
        )
        for group in MODELS
    },
    control=(
        untrained,
        instead(
            "shuffled labels",
            lambda s: s.components.dominance(shuffled_labels=True),
            accepted_if="So few strings that chance splits them as the classes do.",
        ),
    ),
)
def test_the_last_heads_dominate(subject):
    return subject.components.dominance()


@claim(
    "brackets/bimodal-means-important",
    says="The classes separate in the histograms of the last heads, and overlap elsewhere.",
    source=BACKWARDS / "Which components matter?",
    tier=2,
    published="qualitative",
    expect={
        "arena": parts(
            last_heads_larger=at_most(0.1),
            others_smallest=at_least(
                0.3,
                because="three times the limit above; the overlap depends on the bins: 0.47 with "
                "bins of one half on the document's axis, 0.31 with 50 over the data",
            ),
        ),
        "retrained": parts(last_heads_larger=at_most(0.1), others_smallest=at_least(0.3)),
    },
    control=(
        instead(
            "shuffled labels",
            lambda s: s.components.class_overlap(shuffled_labels=True),
            accepted_if="So few strings that chance splits them as the classes do.",
        ),
        instead(
            "the MLPs before as the others",
            lambda s: s.components.class_overlap("mlp0", "mlp1"),
            accepted_if="A model whose mlp0 and mlp1 say as little of the verdict as mlp2.",
        ),
        untrained,
    ),
)
def test_important_components_are_bimodal(subject):
    return subject.components.class_overlap()


@claim(
    "brackets/roles-by-rule",
    says="Found by what they do, the heads of the four roles are the published 0.0, 1.1, 2.0, 2.1.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    expect={"arena": exactly(["0.0", "1.1", "2.0", "2.1"])},
    control=(
        instead(
            "classes of other strings",
            lambda s: find_roles(s.task, shuffled_classes=True).labels,
            accepted_if="A model whose 2.0 writes more than 2.1 on strings of every kind.",
        ),
        untrained,
    ),
    note="Beyond the document: shows that the rule that names the heads of retrained models finds "
    "the published ones.",
)
def test_roles_are_found_where_they_were_published(subject):
    return subject.found_roles.labels


@claim(
    "brackets/h20-total-elevation",
    says="Head 2.0 is the one that catches a wrong total of brackets.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=1,
    published="qualitative",
    expect={
        group: parts(
            auroc=at_least(0.99),
            times_the_other_head=at_least(1.5),
            fifth_percentile=at_least(5.0),
        )
        for group in MODELS
    },
    control=(
        instead(
            "head 2.0 on negative suffixes",
            lambda s: s.total_head.says_unbalanced(s.task.N),
            accepted_if="A model whose 2.0 answers both failures and outweighs 2.1 on both.",
        ),
        untrained,
    ),
    note="Strings with only a wrong total always have more ')' than '('.",
)
def test_the_total_head_catches_wrong_totals(subject):
    return subject.total_head.says_unbalanced(subject.task.T)


@claim(
    "brackets/h21-never-negative",
    says="Head 2.1 is the one that catches an elevation that goes negative.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=1,
    published="qualitative",
    expect={
        group: parts(
            auroc=at_least(0.99),
            times_the_other_head=at_least(2.0),
            accuracy_when_silenced=at_most(0.1),
        )
        for group in MODELS
    },
    control=(
        instead(
            "head 2.1 on wrong totals",
            lambda s: s.negative_head.decides(s.task.T),
            accepted_if="A model in which 2.1 alone catches both failures.",
        ),
        untrained,
    ),
)
def test_the_negative_head_catches_negative_suffixes(subject):
    return subject.negative_head.decides(subject.task.N)


@claim(
    "brackets/heads-overlap",
    says="Each of the two heads also answers the failures that are not its own.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={group: parts(lower_auroc=at_least(0.85), lower_mean=at_least(2.0)) for group in MODELS},
    control=(
        instead(
            "the heads of layer 1",
            lambda s: s.components.foreign_answers(on_N="1.0", on_T="1.1"),
            accepted_if="A model whose layer-1 heads already write the verdict to position 0.",
        ),
        untrained,
    ),
)
def test_both_heads_answer_both_failures(subject):
    return subject.components.foreign_answers()


@claim(
    "brackets/overlap-lowers-loss",
    says="The loss is slightly lower because both heads answer, not only the responsible one.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={
        group: parts(
            rise_on_T=at_least(1e-5, because="ten times the loss of a sure verdict's rounding"),
            rise_on_N=at_least(1e-5),
            change_of_accuracy=exactly(0.0),
        )
        for group in MODELS
    },
    control=(
        instead(
            "on balanced strings",
            lambda s: s.circuit.loss_rise(on_balanced=True),
            accepted_if="A model whose two heads also speak for the balanced strings.",
        ),
        instead(
            "head 0.1 silenced",
            lambda s: s.circuit.loss_rise(
                s.elevation_head.sibling.head, s.elevation_head.sibling.head
            ),
        ),
        instead(
            "the responsible heads silenced",
            lambda s: s.circuit.loss_rise(s.roles.total, s.roles.negative),
        ),
    ),
)
def test_agreement_lowers_the_loss(subject):
    return subject.circuit.loss_rise()


@claim(
    "brackets/layer1-heads-help-overlap",
    says="A head in layer 1 makes 2.0 answer negative suffixes, and hardly touches its own job.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={group: parts(lost_on_N=at_least(0.7), change_on_T=at_most(0.2)) for group in MODELS},
    control=(
        instead(
            "the other head of layer 1", lambda s: s.circuit.without(s.circuit.other_of_layer_1)
        ),
        instead(
            "head 0.0",
            lambda s: s.circuit.without(s.roles.elevation),
            accepted_if="A model whose 2.0 gets the total from 0.1 and negative suffixes from 0.0.",
        ),
    ),
)
def test_a_layer_1_head_carries_the_overlap(subject):
    return subject.circuit.without()


@claim(
    "brackets/h20-vs-open-proportion",
    says="Head 2.0 says unbalanced when the share of '(' is not one half, and much less at it.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={
        group: parts(
            below_half=at_least(5.0), negative_at_half=at_most(6.0), above_half=at_least(5.0)
        )
        for group in MODELS
    },
    control=(
        instead(
            "head 2.1",
            lambda s: s.negative_head.by_open_share,
            accepted_if="A model whose 2.1 answers the share of '(' too, negative suffixes little.",
        ),
        untrained,
    ),
    note="A string whose share is above one half always has a negative suffix too.",
)
def test_the_total_head_follows_the_open_proportion(subject):
    return subject.total_head.by_open_share


@claim(
    "brackets/h21-vs-open-proportion",
    says="Head 2.1 separates the classes at a share of '(' of exactly one half.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={group: at_least(10.0) for group in MODELS},
    control=instead(
        "head 2.0",
        lambda s: s.total_head.gap_at_half,
        accepted_if="A model whose 2.0 answers negative suffixes as strongly as 2.1.",
    ),
)
def test_the_negative_head_separates_at_one_half(subject):
    return subject.negative_head.gap_at_half


@claim(
    "brackets/starts-closed-differs",
    says="Strings that open with ')' are handled otherwise, and always called unbalanced.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={
        group: parts(
            accuracy=exactly(1.0),
            attention_open_first=at_least(0.45),
            attention_closed_first=at_most(0.30),
        )
        for group in MODELS
    },
    control=(
        instead(
            "strings with a negative suffix only",
            lambda s: s.total_head.closed_starts(s.task.N),
            accepted_if="A model in which every negative suffix draws attention from position 1.",
        ),
        untrained,
    ),
)
def test_strings_that_open_with_a_close_are_handled_otherwise(subject):
    return subject.total_head.closed_starts()
