"""Backup name mover heads: the most important name mover is ablated at the end."""

from __future__ import annotations

from replications.judging.claim import claim, instead, on
from replications.judging.expectation import at_least, at_most, between, each, exactly, near

from .common import (
    BACKUP,
    BY_ROLE,
    IN_ALL_SEEDS,
    OTHER_PROMPTS,
    RUNS,
    known_roles,
    models,
    untrained,
)


@claim(
    "ioi/top-name-mover",
    says="The head with the largest direct logit attribution is 9.9.",
    source=BACKUP,
    tier=1,
    published=[9, 9],
    expect=known_roles(exactly([9, 9])),
    control=(
        instead(
            "the head with the longest output",
            lambda s: s.name_movers.longest,
            accepted_if="A model whose top name mover also writes more than any other head.",
        ),
        untrained,
    ),
    version=2,
    note="The index must match exactly, whatever the prompts. Toys are left out, since this very "
    "measure gives the role. Answers that are exchanged or shuffled are no control: exchanged, "
    "another head is largest by definition, and shuffled, the head with the largest attribution "
    "also has the largest noise.",
)
def test_9_9_is_the_top_name_mover(subject):
    return subject.name_movers.largest


@claim(
    "ioi/negative-name-movers",
    says="The head with the smallest direct logit attribution is a negative name mover.",
    source=BACKUP,
    tier=2,
    published="10.7 or 11.10",
    expect=known_roles(exactly(1)),
    control=(
        instead(
            "the head with the longest output",
            lambda s: s.name_movers.is_negative(s.name_movers.longest),
            accepted_if="A model in which a negative name mover writes more than any other head.",
        ),
        untrained,
    ),
    version=2,
    note="1 if it is one of the two published heads. Toys are left out, since this very measure "
    "gives the role.",
)
def test_the_bottom_head_is_a_negative_name_mover(subject):
    return subject.name_movers.is_negative(subject.name_movers.smallest)


@claim(
    "ioi/logit-diff-clean",
    says="The intact model puts the indirect object far above the subject.",
    source=BACKUP,
    tier=1,
    published=2.8052,
    expect=models(
        between(2, 5, because=OTHER_PROMPTS), printed=near(2.8052, abs=5e-4, because=RUNS)
    ),
    control=(
        instead(
            "three different names",
            lambda s: s.name_movers.on_abc,
            accepted_if="A model that prefers some names to others, whatever the prompt says.",
        ),
        untrained,
    ),
    note="Toys are trained towards 2.75 (`repairing`) or without a bound (`plain`).",
    asserted_of=IN_ALL_SEEDS,
)
def test_the_intact_model_does_the_task(subject):
    return subject.name_movers.clean


@claim(
    "ioi/dla-9.9",
    says="Direct attribution gives 9.9 more than half of the logit difference.",
    source=BACKUP,
    tier=1,
    published=1.7086 / 2.8052,
    derived="1.7086 / 2.8052",
    expect=models(
        between(0.4, 0.8, because=OTHER_PROMPTS),
        printed=near(1.7086 / 2.8052, abs=3e-4, because=RUNS),
    ),
    control=(
        instead(
            "the first negative name mover",
            lambda s: s.name_movers.share(*s.roles.negative[:1]),
            accepted_if="Published indices that belong to other heads in this model.",
        ),
        instead(
            "a head outside the circuit",
            lambda s: s.name_movers.share(*s.roles.outside[:1]),
            accepted_if="A model in which the head we took for another one writes the answer.",
        ),
    ),
    note="As a share of the clean logit difference. What is left, 1.0966 of 2.8052 in the "
    "document, is the naive prediction of the logit difference without 9.9.",
)
def test_9_9_carries_the_answer(subject):
    return subject.name_movers.share(subject.roles.name_mover)


@claim(
    "ioi/post-ablation-9.9",
    says="With 9.9 replaced by its mean at the end, the logit difference hardly falls.",
    source=BACKUP,
    tier=1,
    published=2.6290 / 2.8052,
    derived="2.6290 / 2.8052",
    expect=models(
        between(0.8, 1.1, because=OTHER_PROMPTS),
        printed=near(2.6290 / 2.8052, abs=4e-4, because=RUNS),
    ),
    control=(
        instead(
            "all name movers ablated",
            lambda s: s.name_movers.left(*s.roles.name_movers),
            accepted_if="A model in which MLPs or yet other heads take over from all of them.",
        ),
        instead("the naive prediction", lambda s: s.name_movers.ablation.naive_share),
    ),
    note="The logit difference that is left, as a share of the clean one.",
)
def test_the_model_does_without_9_9(subject):
    return subject.name_movers.left(subject.roles.name_mover)


@claim(
    "ioi/self-repair",
    says="After ablating 9.9 performance is much better than the naive prediction.",
    source=BACKUP,
    tier=1,
    published=(2.6290 - 1.0966) / 1.7086,
    derived="(2.6290 - 1.0966) / 1.7086",
    expect=models(at_least(0.5, because="the lower end of a 95 % bootstrap interval over prompts")),
    control=(
        instead(
            "everything later held",
            lambda s: s.name_movers.held.recovery_interval["low"],
            accepted_if="A head whose loss lets the final LayerNorm enlarge what is left.",
        ),
        on(
            "the model that never lost a head",
            lambda s: s.other,
            only="repairing",
            accepted_if="A model that repairs itself although it never lost a head in training.",
        ),
    ),
    version=2,
    note="The lower end of the interval of the recovered share of the head's attribution: 0 if "
    "nothing reacts, 1 if nothing is lost. An S-inhibition head is no control: it has next to no "
    "attribution that could be recovered. The control holds all later heads and MLPs at their "
    "outputs before the ablation. `plain` is the model without repair and is expected to miss "
    "this. Of the `circuit` models it was asserted when it held on seeds 0 to 3; on seed 4, "
    "trained afterwards, the lower end is 0.496, so their outcomes are recorded.",
)
def test_the_model_repairs_itself(subject):
    return subject.name_movers.ablation.recovery_interval["low"]


@claim(
    "ioi/own-dla-falls",
    says="The direct contribution of 9.9 falls after its ablation.",
    source=BACKUP,
    tier=2,
    published="obviously",
    expect=models(at_most(0.3)),
    control=instead(
        "the next name mover", lambda s: s.name_movers.ablation.left_of(s.roles.name_movers[1])
    ),
    note="Attribution after the ablation as a share of that before.",
    asserted_of=IN_ALL_SEEDS,
)
def test_the_ablated_head_contributes_less(subject):
    return subject.name_movers.ablation.left_of(subject.roles.name_mover)


@claim(
    "ioi/layer10-compensates",
    says="Contributions of other heads rise after the ablation, most of them right behind 9.9.",
    source=BACKUP,
    tier=1,
    published="three heatmaps",
    expect={
        **models(at_least(2, because="in the smallest of them the next layer has two heads")),
        **known_roles(at_least(3)),
    },
    control=instead(
        "a head outside the circuit ablated",
        lambda s: s.name_movers.without(*s.roles.outside[:1]).rising_after(s.roles.name_mover),
        accepted_if="Later name movers that make up for any head, not only for 9.9.",
    ),
    note="How many of the five largest rises are in the layer after the name mover and above 0.05.",
)
def test_the_next_layer_compensates(subject):
    return subject.name_movers.ablation.rising_after(subject.roles.name_mover)


@claim(
    "ioi/backups-below-diagonal",
    says="The heads that stand out in the change map lie well below y = x in the scatter.",
    source=BACKUP,
    tier=2,
    published="x ablated, y original",
    expect=models(each(at_least(0.1))),
    control=(
        instead(
            "an S-inhibition head ablated",
            lambda s: s.name_movers.without(*s.roles.s_inhibition[:1]).largest_changes,
            accepted_if="Name movers that make up for what S-inhibition heads tell them.",
        ),
        instead(
            "a head outside the circuit ablated",
            lambda s: s.name_movers.without(*s.roles.outside[:1]).largest_changes,
            accepted_if="Later name movers that make up for any head, not only for 9.9.",
        ),
    ),
    version=2,
    note="The three changes of attribution that are largest in size, in logits. All three could be "
    "falls, which lie above the line.",
)
def test_the_scatter_shows_the_same_heads(subject):
    return subject.name_movers.ablation.largest_changes


@claim(
    "ioi/negative-mover-shrinks",
    says="One negative name mover becomes much less negative after the ablation.",
    source=BACKUP,
    tier=2,
    published="qualitative",
    expect=models(at_least(0.2)),
    control=(
        instead(
            "a head outside the circuit ablated",
            lambda s: s.name_movers.without(*s.roles.outside[:1]).largest_rise(s.roles.negative),
            accepted_if="Negative name movers that weaken whichever head is lost.",
        ),
        instead(
            "everything later held",
            lambda s: s.name_movers.held.largest_rise(s.roles.negative),
            accepted_if="A head whose loss lets the final LayerNorm divide by much more.",
        ),
    ),
    version=2,
    note=f"The largest rise in attribution of a head that was negative. {BY_ROLE}",
)
def test_a_negative_name_mover_shrinks(subject):
    return subject.name_movers.ablation.largest_rise(subject.roles.negative)
