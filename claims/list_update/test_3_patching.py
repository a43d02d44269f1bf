"""Activation patching, on the document's pair of prompts and on 200 generated pairs.

The generated pairs have other numbers and other indices. On them the mean and both ends of its
95 % bootstrap interval are judged.
"""

from __future__ import annotations

from typing import Any

from replications.judging.claim import claim, instead
from replications.judging.expectation import Expectation, at_least, at_most, between, exactly, parts
from replications.models.sites import K, Q, V

from .common import PATCHING, SEED_0, one_layer, untrained

SEED_2 = "in seed 2 the index token's own key also plays a part, on the printed prompts"
FULL = (
    "no upper edge: a key that recovers more than the clean difference recovers it fully, and "
    "seeds 2 and 4 reach 1.10 and 1.19 on the printed prompts"
)


def interval(**named: Expectation) -> dict[str, Any]:
    """One expectation each for a mean and for both ends of its interval."""
    ends = ("mean", "low", "high")
    return {f"{name}_{end}": expected for name, expected in named.items() for end in ends}


@claim(
    "list_update/clean-corrupt-logit-diff",
    says="The logit difference is large and positive on the clean prompt, negative on the other.",
    source=PATCHING,
    tier=1,
    published=[10.8760, -16.4544],
    expect={
        "seeds": parts(
            clean=at_least(5.0, because="the value belongs to a seed; the sign to the finding"),
            corrupted=at_most(-5.0),
        )
    },
    control=(instead("the prompts exchanged", lambda s: s.printed.exchanged.ends()), one_layer),
    note="Logit of the new element, 26, less that of the old one, 23, where the updated answer is "
    "predicted.",
)
def test_the_index_decides_between_old_and_new(subject):
    return subject.printed.ends()


@claim(
    "list_update/clean-corrupt-logit-diff-pairs",
    says="On 200 pairs of prompts the logit difference has the same signs.",
    source=PATCHING,
    tier=1,
    published=None,
    expect={"seeds": parts(**interval(clean=at_least(5.0), corrupted=at_most(-5.0)))},
    control=(
        instead("the prompts exchanged", lambda s: s.pairs.exchanged.ends(interval=True)),
        one_layer,
    ),
)
def test_the_index_decides_on_other_prompts(subject):
    return subject.pairs.ends(interval=True)


@claim(
    "list_update/metric-endpoints",
    says="The patching metric is 1 on clean logits and 0 on corrupted ones.",
    source=PATCHING,
    tier=2,
    published=[1.0, 0.0],
    expect={"seeds": parts(clean=exactly(1.0), corrupted=exactly(0.0))},
    control=instead("not normalised", lambda s: s.printed.metric_at_ends(normalised=False)),
)
def test_the_metric_has_its_ends(subject):
    return subject.printed.metric_at_ends()


@claim(
    "list_update/patch-resid",
    says="The index stands at its own position before layer 0 and at the element's before layer 1.",
    source=PATCHING,
    tier=1,
    published="qualitative",
    expect={
        "seeds": parts(
            index_before_0=between(0.9, 1.1),
            element_before_1=between(0.9, 1.1),
            largest_other=at_most(0.1),
        )
    },
    control=(
        instead("the element corrupted", lambda s: s.printed.element_corrupted.stream()),
        untrained,
    ),
    not_asserted=f"{SEED_0}; {SEED_2}",
)
def test_the_index_moves_to_the_element(subject):
    return subject.printed.stream()


@claim(
    "list_update/patch-resid-pairs",
    says="On 200 pairs the index moves from its own position to the element's.",
    source=PATCHING,
    tier=1,
    published=None,
    expect={
        "seeds": parts(
            **interval(index_before_0=between(0.9, 1.1), element_before_1=between(0.9, 1.1)),
            largest_other=at_most(0.1),
        )
    },
    control=instead(
        "the element corrupted", lambda s: s.pairs.element_corrupted.stream(interval=True)
    ),
    not_asserted=SEED_0,
)
def test_the_index_moves_on_other_prompts(subject):
    return subject.pairs.stream(interval=True)


@claim(
    "list_update/patch-l0-out-and-value",
    says="In layer 0 the output at the element and the value at the index recover performance.",
    source=PATCHING,
    tier=1,
    published="fully",
    expect={"seeds": parts(at_element=between(0.9, 1.1), at_index=between(0.9, 1.1))},
    control=(
        instead("query and key", lambda s: s.printed.layer_0(at_element=Q, at_index=K)),
        untrained,
    ),
    not_asserted=SEED_0,
)
def test_layer_0_moves_the_value_of_the_index(subject):
    return subject.printed.layer_0()


@claim(
    "list_update/patch-l0-out-and-value-pairs",
    says="On 200 pairs the output at the element and the value at the index recover performance.",
    source=PATCHING,
    tier=1,
    published=None,
    expect={"seeds": parts(**interval(at_element=between(0.9, 1.1), at_index=between(0.9, 1.1)))},
    control=instead(
        "query and key", lambda s: s.pairs.layer_0(interval=True, at_element=Q, at_index=K)
    ),
    not_asserted=SEED_0,
)
def test_layer_0_moves_the_value_on_other_prompts(subject):
    return subject.pairs.layer_0(interval=True)


@claim(
    "list_update/patch-l1-key",
    says="In layer 1 the key at the element recovers performance.",
    source=PATCHING,
    tier=1,
    published="fully",
    expect={"seeds": at_least(0.85, because=FULL)},
    control=(
        instead(
            "the query at the prediction",
            lambda s: s.printed.layer_1(site=Q, position="prediction")["recovered"],
        ),
        instead("the value at the element", lambda s: s.printed.layer_1(site=V)["recovered"]),
    ),
    not_asserted=SEED_0,
)
def test_layer_1_reads_the_index_as_a_key(subject):
    return subject.printed.layer_1()["recovered"]


@claim(
    "list_update/patch-l1-key-pairs",
    says="On 200 pairs the key at the element recovers performance.",
    source=PATCHING,
    tier=1,
    published=None,
    expect={"seeds": parts(**interval(recovered=at_least(0.85)), because=FULL)},
    control=(
        instead("the value at the element", lambda s: s.pairs.layer_1(interval=True, site=V)),
        instead(
            "the query at the prediction",
            lambda s: s.pairs.layer_1(interval=True, site=Q, position="prediction"),
        ),
    ),
    not_asserted=SEED_0,
)
def test_layer_1_reads_the_index_as_a_key_on_other_prompts(subject):
    return subject.pairs.layer_1(interval=True)


@claim(
    "list_update/patch-l1-pattern",
    says="The pattern and output of layer 1 at the prediction recover performance, nothing else.",
    source=PATCHING,
    tier=2,
    published="very clean",
    expect={
        "seeds": parts(pattern=at_least(0.85), output=at_least(0.85), largest_other=at_most(0.1))
    },
    control=instead("the position before", lambda s: s.printed.at_prediction(position="before")),
    note="Read from the figure. `largest_other` is the largest share of any output, query, key, "
    "value or pattern of both layers outside the places named by the claims.",
    not_asserted=f"{SEED_0}; {SEED_2}",
)
def test_layer_1_acts_at_the_prediction(subject):
    return subject.printed.at_prediction()


@claim(
    "list_update/patch-l1-pattern-pairs",
    says="On 200 pairs the pattern and output at the prediction recover performance, nothing else.",
    source=PATCHING,
    tier=2,
    published=None,
    expect={
        "seeds": parts(
            **interval(pattern=at_least(0.85), output=at_least(0.85)), largest_other=at_most(0.1)
        )
    },
    control=instead(
        "the position before", lambda s: s.pairs.at_prediction(interval=True, position="before")
    ),
    not_asserted=f"{SEED_0}; in seed 1 the output of head 0.0 at the index recovers 0.12 too",
)
def test_layer_1_acts_at_the_prediction_on_other_prompts(subject):
    return subject.pairs.at_prediction(interval=True)
