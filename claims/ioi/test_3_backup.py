"""Backup name mover heads: the most important name mover is ablated at the end of the prompt."""

from __future__ import annotations

from replications.judging.claim import claim, instead, on
from replications.judging.expectation import at_least, at_most, between, each, exactly, near

from .common import (
    BACKUP,
    BY_ROLE,
    GPT2,
    OTHER_PROMPTS,
    OWN,
    RUNS,
    TOYS,
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
    "this.",
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


@claim(
    "ioi/ln-ratio",
    says="The final LayerNorm scale changes by about 4 % only.",
    source=BACKUP,
    tier=1,
    published=1.04,
    expect=models(
        near(1.04, abs=0.02, because=OTHER_PROMPTS),
        printed=near(1.04, abs=0.005, because="printed to two decimals"),
    ),
    control=instead(
        "a head outside the circuit ablated",
        lambda s: s.name_movers.without(*s.roles.outside[:1]).scale_ratio,
        accepted_if="A head outside the circuit that writes as much as 9.9 does.",
    ),
    note="Mean over prompts of the scale before the ablation over the scale after it.",
)
def test_the_final_scale_hardly_changes(subject):
    return subject.name_movers.ablation.scale_ratio


@claim(
    "ioi/ln-insufficient",
    says="A uniform rescaling by that factor cannot explain what the backups gain.",
    source=BACKUP,
    tier=2,
    published="argument",
    expect=models(at_least(0.8)),
    control=instead(
        "everything later held",
        lambda s: s.name_movers.held.least_kept,
        accepted_if="Heads of the same layer that change although nothing reached them.",
    ),
    version=2,
    note="The smallest share of the three largest rises that remains once the attribution before "
    "is multiplied by the ratio.",
)
def test_the_scale_does_not_explain_the_rise(subject):
    return subject.name_movers.ablation.least_kept


@claim(
    "ioi/ln-typical-head",
    says="The typical head is a bit off y = x in the scatter.",
    source=BACKUP,
    tier=2,
    published="a bit off",
    expect=dict.fromkeys((GPT2, OWN, *TOYS), at_most(0.1)),
    control=instead(
        "attributions after not divided by the scale",
        lambda s: s.name_movers.ablation.without_scale_after.typical_change,
        accepted_if="A model whose final LayerNorm divides by a number close to 1.",
    ),
    note="The median over heads of the relative change of attribution. The construction is left "
    "out: most of its heads have no attribution at all.",
)
def test_the_typical_head_hardly_changes(subject):
    return subject.name_movers.ablation.typical_change


@claim(
    "ioi/finish-backup-analysis",
    says="Backups change because they attend more to the indirect object.",
    source=BACKUP / "Exercise to the reader",
    tier=2,
    published="an open question",
    expect=models(at_least(0.05)),
    control=instead(
        "heads that do not change",
        lambda s: s.name_movers.second_to_io(s.name_movers.unchanged),
        accepted_if="Heads that look more at the indirect object and write no more for it.",
    ),
    not_asserted="the document asks this and does not answer it",
    version=2,
    note="Change of attention from the end to IO: the second largest among the three heads that "
    "rise most.",
)
def test_why_backups_change(subject):
    return subject.name_movers.second_to_io(subject.name_movers.backups)


@claim(
    "ioi/negative-attends-less",
    says="A negative name mover attends less to the indirect object after the ablation.",
    source=BACKUP / "Exercise to the reader",
    tier=2,
    published="an open question",
    expect=models(each(at_most(-0.05))),
    control=instead(
        "a head outside the circuit ablated",
        lambda s: s.name_movers.to_io(s.roles.negative[:1], ablated=s.roles.outside[:1]),
        accepted_if="Negative name movers that look away whichever head is lost.",
    ),
    not_asserted="the document asks this and does not answer it",
    note="Change of attention from the end to IO in the first negative name mover.",
)
def test_a_negative_name_mover_looks_away(subject):
    return subject.name_movers.to_io(subject.roles.negative[:1])


@claim(
    "ioi/backups-attend-more",
    says="Backups change because they attend more to where they read the answer.",
    source=BACKUP / "Exercise to the reader",
    tier=2,
    published="an open question",
    expect=models(each(at_least(0.05))),
    control=instead(
        "heads that do not change",
        lambda s: s.name_movers.attention_to_source(s.name_movers.unchanged),
        accepted_if="Heads that look more at their source and write no more for it.",
    ),
    not_asserted="the document asks this and does not answer it",
    note="Change of attention, in the two heads that rise most, from the end to the position from "
    "which they take most of their attribution: IO in one toy, S2 in another.",
)
def test_backups_attend_more_to_their_source(subject):
    return subject.name_movers.attention_to_source(subject.name_movers.backups)


@claim(
    "ioi/zero-vs-mean-ablation",
    says="Knock-out by zero can disturb a model more than the mean does, by a head of no matter.",
    source=BACKUP,
    tier=2,
    published="a caution",
    expect=models(at_least(0.01, because="less than a hundredth of a logit disturbs nothing")),
    control=instead(
        "the head with the shortest mean",
        lambda s: s.name_movers.zero_beyond_mean(*s.name_movers.outside_by_mean[1:][-1:]),
        accepted_if="A model in which any departure from the usual output disturbs later heads.",
    ),
    not_asserted="a caution: the document gives no number and no head",
    version=2,
    note="Change of the logit difference under zero ablation less that under mean ablation, for "
    "the head outside the circuit with the longest mean output.",
)
def test_zero_is_further_than_the_mean(subject):
    return subject.name_movers.zero_beyond_mean(*subject.name_movers.outside_by_mean[:1])
