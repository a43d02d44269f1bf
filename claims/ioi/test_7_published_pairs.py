"""The main notebook's pair of prompts, and prompts without a token before them."""

from __future__ import annotations

from replications.judging.claim import claim, instead

from .published import (
    AT,
    BY_HEAD,
    ESTIMATED,
    LINEAR,
    MAIN,
    NNSIGHT_ESTIMATES,
    NNSIGHT_EXACT,
    NO_ATTENTION_TO_BOS,
    PATCHED,
    SCORES,
    expected,
    without_bos,
)

WITH_BOS = "a token before the prompts"


@claim(
    "ioi/published-main-resid-pre",
    says="On the main pair, patching the stream has the effects that were printed.",
    source=MAIN / "cell 36",
    tier=2,
    published="12 × 17 values",
    expect=expected(PATCHED),
    control=(
        without_bos(lambda s: s.published.patched("main/resid_pre", bos=False)),
        instead(
            "from the corrupted prompt into the clean one",
            lambda s: s.published.patched("main/resid_pre", exchanged=True),
            accepted_if="A model in which a place does as much in either direction.",
        ),
    ),
    note=f"{AT} The run of 2023 is held; a run of 2025 with the bridge differs from it by up to "
    "2.7e-4, which this tolerance calls drift.",
)
def test_main_resid_pre(subject):
    return subject.published.patched("main/resid_pre")


@claim(
    "ioi/published-main-induction",
    says="Every head has the induction score that the main notebook printed.",
    source=MAIN / "cell 43",
    tier=2,
    published=BY_HEAD,
    expect=expected(SCORES),
    control=instead(
        "tokens that are not repeated",
        lambda s: s.published.score("main/induction", repeated=False),
        accepted_if="A model whose heads look for a distance and not for a token.",
    ),
    note="Fifty random tokens and a second copy. Distil-GPT-2's scores are left out: it is no "
    "subject here.",
)
def test_main_induction(subject):
    return subject.published.score("main/induction")


@claim(
    "ioi/published-nnsight-resid-post",
    says="Without BOS, patching the stream after each layer has the printed effects.",
    source=NNSIGHT_EXACT,
    tier=2,
    published="12 × 16 values",
    expect=expected(PATCHED),
    control=(
        instead(
            WITH_BOS,
            lambda s: s.published.patched("nnsight_activation/resid_post", bos=True),
            accepted_if=NO_ATTENTION_TO_BOS,
        ),
        instead(
            "the stream before each layer",
            lambda s: s.published.patched("nnsight_activation/resid_post", site="resid_pre"),
            accepted_if="A model in which no layer moves anything.",
        ),
    ),
    note=AT,
)
def test_nnsight_resid_post(subject):
    return subject.published.patched("nnsight_activation/resid_post")


@claim(
    "ioi/published-nnsight-estimate-head-z",
    says="Without BOS, estimates for each head's output at the end are the printed ones.",
    source=NNSIGHT_ESTIMATES,
    tier=2,
    published=BY_HEAD,
    expect=expected(ESTIMATED),
    control=(
        instead(
            WITH_BOS,
            lambda s: s.published.patched("nnsight_attribution/head_z_at_the_end", bos=True),
            accepted_if=NO_ATTENTION_TO_BOS,
        ),
        instead(
            "exact patching",
            lambda s: s.published.patched("nnsight_attribution/head_z_at_the_end", estimated=False),
            accepted_if=LINEAR,
        ),
    ),
    note=AT,
)
def test_nnsight_head_z(subject):
    return subject.published.patched("nnsight_attribution/head_z_at_the_end")


@claim(
    "ioi/published-nnsight-estimate-z",
    says="Without BOS, estimates for a layer's heads at each position are the printed ones.",
    source=NNSIGHT_ESTIMATES,
    tier=2,
    published="12 × 14 values",
    expect=expected(ESTIMATED),
    control=(
        instead(
            WITH_BOS,
            lambda s: s.published.patched("nnsight_attribution/z", bos=True),
            accepted_if=NO_ATTENTION_TO_BOS,
        ),
        instead(
            "exact patching",
            lambda s: s.published.patched("nnsight_attribution/z", estimated=False),
            accepted_if=LINEAR,
        ),
    ),
    note=AT,
)
def test_nnsight_z(subject):
    return subject.published.patched("nnsight_attribution/z")
