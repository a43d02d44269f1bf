"""Attribution patching: first-order estimates of the thirteen sweeps, and how they compare."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_most

from .published import BY_HEAD, BY_LAYER, BY_POSITION, ESTIMATES, expected, sweep


@sweep(
    "attribution_patching/resid_pre",
    "ioi/published-estimate-resid-pre",
    says="The estimate of patching the residual stream by layer and position is the printed one.",
    source=ESTIMATES,
    published=BY_LAYER,
)
def test_estimating_resid_pre(subject):
    return subject.published.patched("attribution_patching/resid_pre")


@sweep(
    "attribution_patching/attn_out",
    "ioi/published-estimate-attn-out",
    says="The estimate of patching attention outputs by layer and position is the printed one.",
    source=ESTIMATES,
    published=BY_LAYER,
)
def test_estimating_attn_out(subject):
    return subject.published.patched("attribution_patching/attn_out")


@sweep(
    "attribution_patching/mlp_out",
    "ioi/published-estimate-mlp-out",
    says="The estimate of patching MLP outputs by layer and position is the printed one.",
    source=ESTIMATES,
    published=BY_LAYER,
)
def test_estimating_mlp_out(subject):
    return subject.published.patched("attribution_patching/mlp_out")


@sweep(
    "attribution_patching/head_z",
    "ioi/published-estimate-head-z",
    says="The estimate of patching head outputs over all positions is the printed one.",
    source=ESTIMATES,
    published=BY_HEAD,
)
def test_estimating_head_z(subject):
    return subject.published.patched("attribution_patching/head_z")


@sweep(
    "attribution_patching/head_q",
    "ioi/published-estimate-head-q",
    says="The estimate of patching queries over all positions is the printed one.",
    source=ESTIMATES,
    published=BY_HEAD,
)
def test_estimating_head_q(subject):
    return subject.published.patched("attribution_patching/head_q")


@sweep(
    "attribution_patching/head_k",
    "ioi/published-estimate-head-k",
    says="The estimate of patching keys over all positions is the printed one.",
    source=ESTIMATES,
    published=BY_HEAD,
)
def test_estimating_head_k(subject):
    return subject.published.patched("attribution_patching/head_k")


@sweep(
    "attribution_patching/head_v",
    "ioi/published-estimate-head-v",
    says="The estimate of patching values of heads over all positions is the printed one.",
    source=ESTIMATES,
    published=BY_HEAD,
)
def test_estimating_head_v(subject):
    return subject.published.patched("attribution_patching/head_v")


@sweep(
    "attribution_patching/head_pattern",
    "ioi/published-estimate-head-pattern",
    says="The estimate of patching attention patterns over all positions is the printed one.",
    source=ESTIMATES,
    published=BY_HEAD,
)
def test_estimating_head_pattern(subject):
    return subject.published.patched("attribution_patching/head_pattern")


@sweep(
    "attribution_patching/head_pos_z",
    "ioi/published-estimate-head-z-by-position",
    says="The estimate of patching head outputs at each position is the printed one.",
    source=ESTIMATES,
    published=BY_POSITION,
    other=("v", "values for outputs of heads"),
)
def test_estimating_head_pos_z(subject):
    return subject.published.patched("attribution_patching/head_pos_z")


@sweep(
    "attribution_patching/head_pos_q",
    "ioi/published-estimate-head-q-by-position",
    says="The estimate of patching queries at each position is the printed one.",
    source=ESTIMATES,
    published=BY_POSITION,
    other=("k", "keys for queries"),
)
def test_estimating_head_pos_q(subject):
    return subject.published.patched("attribution_patching/head_pos_q")


@sweep(
    "attribution_patching/head_pos_k",
    "ioi/published-estimate-head-k-by-position",
    says="The estimate of patching keys at each position is the printed one.",
    source=ESTIMATES,
    published=BY_POSITION,
    other=("q", "queries for keys"),
)
def test_estimating_head_pos_k(subject):
    return subject.published.patched("attribution_patching/head_pos_k")


@sweep(
    "attribution_patching/head_pos_v",
    "ioi/published-estimate-head-v-by-position",
    says="The estimate of patching values of heads at each position is the printed one.",
    source=ESTIMATES,
    published=BY_POSITION,
    other=("z", "outputs of heads for values"),
)
def test_estimating_head_pos_v(subject):
    return subject.published.patched("attribution_patching/head_pos_v")


@sweep(
    "attribution_patching/head_pos_pattern",
    "ioi/published-estimate-head-pattern-by-position",
    says="The estimate of patching attention patterns at each position is the printed one.",
    source=ESTIMATES,
    published=BY_POSITION,
    other=("q", "queries for patterns"),
)
def test_estimating_head_pos_pattern(subject):
    return subject.published.patched("attribution_patching/head_pos_pattern")


OTHER_SWEEP = "A model in which another site has the same effects at every place."


@claim(
    "ioi/published-estimates-pearson",
    says="Estimated effects correlate with exact ones as much as was printed.",
    source=ESTIMATES,
    tier=2,
    published="13 correlations, 0.436 to 0.996",
    expect=expected(at_most(1e-3, because="printed with three decimals; the sweeps agree to 1e-5")),
    control=instead(
        "the exact values of the next site",
        lambda s: s.published.agreement("pearson", other=True),
        accepted_if=OTHER_SWEEP,
    ),
    note="The largest distance from the printed correlations. They are over all places.",
)
def test_estimates_correlate(subject):
    return subject.published.agreement("pearson")


@claim(
    "ioi/published-estimates-spearman",
    says="The ranks of estimated effects of heads correlate with the exact ones as was printed.",
    source=ESTIMATES,
    tier=2,
    published=[0.998, 0.888, 0.861, 0.999, 0.998],
    expect=expected(at_most(1e-3, because="printed with three decimals; the sweeps agree to 1e-5")),
    control=instead(
        "the exact values of the next site",
        lambda s: s.published.agreement("spearman", other=True),
        accepted_if=OTHER_SWEEP,
    ),
    note="Of whole heads only. At single positions most effects are exactly zero, and the printed "
    "correlations there depend on how equal values are ranked, which is not stated.",
)
def test_ranks_of_estimates_correlate(subject):
    return subject.published.agreement("spearman")


@claim(
    "ioi/published-estimates-error",
    says="The largest error of the estimates in each sweep is the printed one.",
    source=ESTIMATES,
    tier=2,
    published="13 errors, 0.044 to 1.025",
    expect=expected(at_most(1e-3, because="printed with three decimals; the sweeps agree to 1e-5")),
    control=instead(
        "the exact values of the next site",
        lambda s: s.published.agreement("largest_error", other=True),
        accepted_if=OTHER_SWEEP,
    ),
    note="In shares of the gap between the prompts: the stream's estimate at S2 is off by all of "
    "it.",
)
def test_estimates_are_off(subject):
    return subject.published.agreement("largest_error")
