"""Section 2: from the logits back to the components that matter."""

from __future__ import annotations

from replications.judging.claim import claim, instead, on
from replications.judging.expectation import at_least, at_most, near, parts

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
    costly=True,
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
    costly=True,
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
