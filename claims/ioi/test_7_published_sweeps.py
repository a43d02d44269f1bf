"""Exact activation patching on eight prompts: thirteen sweeps that a notebook of 2026 printed."""

from __future__ import annotations

from .published import BY_HEAD, BY_LAYER, BY_POSITION, EXACT, NOT_BOTH_WAYS, sweep


@sweep(
    "activation_patching/resid_pre",
    "ioi/published-resid-pre",
    says="Patching the residual stream at each layer and position has the printed effects.",
    source=EXACT,
    published=BY_LAYER,
    note=NOT_BOTH_WAYS,
)
def test_patching_resid_pre(subject):
    return subject.published.patched("activation_patching/resid_pre")


@sweep(
    "activation_patching/attn_out",
    "ioi/published-attn-out",
    says="Patching attention outputs at each layer and position has the printed effects.",
    source=EXACT,
    published=BY_LAYER,
)
def test_patching_attn_out(subject):
    return subject.published.patched("activation_patching/attn_out")


@sweep(
    "activation_patching/mlp_out",
    "ioi/published-mlp-out",
    says="Patching MLP outputs at each layer and position has the printed effects.",
    source=EXACT,
    published=BY_LAYER,
)
def test_patching_mlp_out(subject):
    return subject.published.patched("activation_patching/mlp_out")


@sweep(
    "activation_patching/head_z",
    "ioi/published-head-z",
    says="Patching head outputs over all positions has the printed effects.",
    source=EXACT,
    published=BY_HEAD,
)
def test_patching_head_z(subject):
    return subject.published.patched("activation_patching/head_z")


@sweep(
    "activation_patching/head_q",
    "ioi/published-head-q",
    says="Patching queries over all positions has the printed effects.",
    source=EXACT,
    published=BY_HEAD,
)
def test_patching_head_q(subject):
    return subject.published.patched("activation_patching/head_q")


@sweep(
    "activation_patching/head_k",
    "ioi/published-head-k",
    says="Patching keys over all positions has the printed effects.",
    source=EXACT,
    published=BY_HEAD,
)
def test_patching_head_k(subject):
    return subject.published.patched("activation_patching/head_k")


@sweep(
    "activation_patching/head_v",
    "ioi/published-head-v",
    says="Patching values of heads over all positions has the printed effects.",
    source=EXACT,
    published=BY_HEAD,
)
def test_patching_head_v(subject):
    return subject.published.patched("activation_patching/head_v")


@sweep(
    "activation_patching/head_pattern",
    "ioi/published-head-pattern",
    says="Patching attention patterns over all positions has the printed effects.",
    source=EXACT,
    published=BY_HEAD,
)
def test_patching_head_pattern(subject):
    return subject.published.patched("activation_patching/head_pattern")


@sweep(
    "activation_patching/head_pos_z",
    "ioi/published-head-z-by-position",
    says="Patching head outputs at each position has the printed effects.",
    source=EXACT,
    published=BY_POSITION,
    other=("v", "values for outputs of heads"),
)
def test_patching_head_pos_z(subject):
    return subject.published.patched("activation_patching/head_pos_z")


@sweep(
    "activation_patching/head_pos_q",
    "ioi/published-head-q-by-position",
    says="Patching queries at each position has the printed effects.",
    source=EXACT,
    published=BY_POSITION,
    other=("k", "keys for queries"),
)
def test_patching_head_pos_q(subject):
    return subject.published.patched("activation_patching/head_pos_q")


@sweep(
    "activation_patching/head_pos_k",
    "ioi/published-head-k-by-position",
    says="Patching keys at each position has the printed effects.",
    source=EXACT,
    published=BY_POSITION,
    other=("q", "queries for keys"),
)
def test_patching_head_pos_k(subject):
    return subject.published.patched("activation_patching/head_pos_k")


@sweep(
    "activation_patching/head_pos_v",
    "ioi/published-head-v-by-position",
    says="Patching values of heads at each position has the printed effects.",
    source=EXACT,
    published=BY_POSITION,
    other=("z", "outputs of heads for values"),
)
def test_patching_head_pos_v(subject):
    return subject.published.patched("activation_patching/head_pos_v")


@sweep(
    "activation_patching/head_pos_pattern",
    "ioi/published-head-pattern-by-position",
    says="Patching attention patterns at each position has the printed effects.",
    source=EXACT,
    published=BY_POSITION,
    other=("q", "queries for patterns"),
)
def test_patching_head_pos_pattern(subject):
    return subject.published.patched("activation_patching/head_pos_pattern")
