"""The exploratory notebook of 2023: six sweeps, and scores of heads."""

from __future__ import annotations

from replications.judging.claim import claim, instead

from .published import BY_HEAD, BY_LAYER, EXPLORATORY, NOT_BOTH_WAYS, SCORES, expected, sweep

RANDOM = (
    "Mean attention over the whole diagonal of ten rows of 100 random tokens and a second copy of "
    "them, without a token before the text."
)


@sweep(
    "exploratory/resid_pre",
    "ioi/published-2023-resid-pre",
    says="Patching the residual stream at each layer and position has the printed effects.",
    source=EXPLORATORY,
    published=BY_LAYER,
    note=NOT_BOTH_WAYS,
)
def test_exploring_resid_pre(subject):
    return subject.published.patched("exploratory/resid_pre")


@sweep(
    "exploratory/attn_out",
    "ioi/published-2023-attn-out",
    says="Patching attention outputs at each layer and position has the printed effects.",
    source=EXPLORATORY,
    published=BY_LAYER,
)
def test_exploring_attn_out(subject):
    return subject.published.patched("exploratory/attn_out")


@sweep(
    "exploratory/mlp_out",
    "ioi/published-2023-mlp-out",
    says="Patching MLP outputs at each layer and position has the printed effects.",
    source=EXPLORATORY,
    published=BY_LAYER,
)
def test_exploring_mlp_out(subject):
    return subject.published.patched("exploratory/mlp_out")


@sweep(
    "exploratory/head_z",
    "ioi/published-2023-head-z",
    says="Patching head outputs over all positions has the printed effects.",
    source=EXPLORATORY,
    published=BY_HEAD,
)
def test_exploring_head_z(subject):
    return subject.published.patched("exploratory/head_z")


@sweep(
    "exploratory/head_v",
    "ioi/published-2023-head-v",
    says="Patching values of heads over all positions has the printed effects.",
    source=EXPLORATORY,
    published=BY_HEAD,
)
def test_exploring_head_v(subject):
    return subject.published.patched("exploratory/head_v")


@sweep(
    "exploratory/head_pattern",
    "ioi/published-2023-head-pattern",
    says="Patching attention patterns over all positions has the printed effects.",
    source=EXPLORATORY,
    published=BY_HEAD,
)
def test_exploring_head_pattern(subject):
    return subject.published.patched("exploratory/head_pattern")


@claim(
    "ioi/published-2023-previous-token",
    says="Every head attends to the previous token as much as was printed.",
    source=EXPLORATORY,
    tier=2,
    published=BY_HEAD,
    expect=expected(SCORES),
    control=instead(
        "the token before that",
        lambda s: s.published.score("exploratory/previous_token", steps="two_back"),
        accepted_if="A model whose heads attend alike to the two tokens before.",
    ),
    note=RANDOM,
)
def test_previous_token_scores(subject):
    return subject.published.score("exploratory/previous_token")


@claim(
    "ioi/published-2023-duplicate-token",
    says="Every head attends to the first copy of a token as much as was printed.",
    source=EXPLORATORY,
    tier=2,
    published=BY_HEAD,
    expect=expected(SCORES),
    control=(
        instead(
            "tokens that are not repeated",
            lambda s: s.published.score("exploratory/duplicate_token", repeated=False),
            accepted_if="A model whose heads look for a distance and not for a token.",
        ),
        instead(
            "the token after the first copy",
            lambda s: s.published.score("exploratory/duplicate_token", steps="induction"),
            accepted_if="A model whose heads attend alike to both tokens.",
        ),
    ),
    note=RANDOM,
)
def test_duplicate_token_scores(subject):
    return subject.published.score("exploratory/duplicate_token")


@claim(
    "ioi/published-2023-induction",
    says="Every head attends to the token after the first copy as much as was printed.",
    source=EXPLORATORY,
    tier=2,
    published=BY_HEAD,
    expect=expected(SCORES),
    control=(
        instead(
            "tokens that are not repeated",
            lambda s: s.published.score("exploratory/induction", repeated=False),
            accepted_if="A model whose heads look for a distance and not for a token.",
        ),
        instead(
            "the first copy itself",
            lambda s: s.published.score("exploratory/induction", steps="duplicate_token"),
            accepted_if="A model whose heads attend alike to both tokens.",
        ),
    ),
    note=RANDOM,
)
def test_induction_scores(subject):
    return subject.published.score("exploratory/induction")
