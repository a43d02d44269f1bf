"""Why backup name movers rise: the final LayerNorm, attention, and the ablation."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, each, near

from .common import (
    BACKUP,
    GPT2,
    IN_ALL_SEEDS,
    OTHER_PROMPTS,
    OWN,
    TOYS,
    models,
)


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
    asserted_of=IN_ALL_SEEDS,
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
    costly=True,
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
    costly=True,
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
