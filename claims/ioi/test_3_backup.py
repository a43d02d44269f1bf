"""Backup name mover heads: the most important name mover is ablated at the end of the prompt."""

from __future__ import annotations

from replications.judging.claim import claim, instead, on
from replications.judging.expectation import at_least, at_most, between, each, exactly, near, parts

from .common import BACKUP, BY_ROLE, OTHER_PROMPTS, models, untrained


@claim(
    "ioi/top-name-mover",
    says="The head with the largest direct logit attribution is 9.9.",
    source=BACKUP,
    tier=1,
    published=[9, 9],
    expect={"gpt2-small": exactly([9, 9])},
    control=(
        instead("answers exchanged", lambda s: s.name_movers.smallest),
        untrained,
    ),
    note="The index must match exactly, whatever the prompts. Toys are left out, since this very "
    "measure gives the role. Shuffled answers are no control: the head with the largest "
    "attribution also has the largest noise.",
)
def test_9_9_is_the_top_name_mover(subject):
    return subject.name_movers.largest


@claim(
    "ioi/negative-name-movers",
    says="The head with the smallest direct logit attribution is a negative name mover.",
    source=BACKUP,
    tier=2,
    published="10.7 or 11.10",
    expect={"gpt2-small": exactly(1)},
    control=(
        instead("largest attribution", lambda s: s.name_movers.is_negative(s.name_movers.largest)),
        untrained,
    ),
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
    expect=models(between(2, 5, because=OTHER_PROMPTS)),
    control=(
        instead("three different names", lambda s: s.name_movers.on_abc),
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
    expect=models(between(0.4, 0.8, because=OTHER_PROMPTS)),
    control=(
        instead("a negative name mover", lambda s: s.name_movers.share(s.roles.negative[0])),
        instead("a head outside the circuit", lambda s: s.name_movers.share(s.roles.outside[0])),
    ),
    note="As a share of the clean logit difference.",
)
def test_9_9_carries_the_answer(subject):
    return subject.name_movers.share(subject.roles.name_mover)


@claim(
    "ioi/naive-prediction-printed",
    says="The printed logit difference less the printed attribution is the printed prediction.",
    source=BACKUP,
    tier=2,
    published=1.0966,
    expect={"text": near(1.0966, abs=1e-4, because="printed to four decimals")},
    control=instead("nothing taken off", lambda s: s.clean),
)
def test_the_printed_prediction_is_a_difference(subject):
    return subject.naive


@claim(
    "ioi/naive-prediction",
    says="Without compensation the logit difference would fall to two fifths.",
    source=BACKUP,
    tier=2,
    published=1.0966 / 2.8052,
    expect=models(between(0.2, 0.6, because=OTHER_PROMPTS)),
    control=instead(
        "a head outside the circuit",
        lambda s: s.name_movers.without(s.roles.outside[0]).naive_share,
    ),
    note="Clean less attribution, as a share of clean: 1 minus the share of `ioi/dla-9.9`.",
)
def test_the_naive_prediction_is_a_large_fall(subject):
    return subject.name_movers.ablation.naive_share


@claim(
    "ioi/post-ablation-9.9",
    says="With 9.9 replaced by its mean at the end, the logit difference hardly falls.",
    source=BACKUP,
    tier=1,
    published=2.6290 / 2.8052,
    expect=models(between(0.8, 1.1, because=OTHER_PROMPTS)),
    control=(
        instead("all name movers ablated", lambda s: s.name_movers.left(*s.roles.name_movers)),
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
    expect=models(
        parts(
            mean=at_least(0.5),
            low=at_least(0.5, because="the lower end of a 95 % bootstrap interval over prompts"),
            high=at_least(0.5),
        )
    ),
    control=(
        instead("everything later held", lambda s: s.name_movers.held.recovery_interval),
        on("the plain model", lambda s: s.other, only="repairing"),
    ),
    note="The recovered share of the head's attribution: 0 if nothing reacts, 1 if nothing is "
    "lost. An S-inhibition head is no control: it has next to no attribution that could be "
    "recovered. The control holds all later heads and MLPs at their outputs before the ablation. "
    "`plain` is the model without repair and is expected to miss this.",
)
def test_the_model_repairs_itself(subject):
    return subject.name_movers.ablation.recovery_interval


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
        "gpt2-small": at_least(3),
        "repairing": at_least(2, because="the next layer has two heads"),
        "plain": at_least(2),
    },
    control=instead(
        "a head outside the circuit ablated",
        lambda s: s.name_movers.without(s.roles.outside[0]).rising_after(s.roles.name_mover),
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
    expect=models(at_least(0.8)),
    control=instead(
        "axes swapped", lambda s: s.name_movers.ablation.scatter_agreement(axes_swapped=True)
    ),
    note="Overlap (Jaccard) of the heads that lie 0.1 or more below the line with as many of the "
    "largest changes.",
)
def test_the_scatter_shows_the_same_heads(subject):
    return subject.name_movers.ablation.scatter_agreement()


@claim(
    "ioi/negative-mover-shrinks",
    says="One negative name mover becomes much less negative after the ablation.",
    source=BACKUP,
    tier=2,
    published="qualitative",
    expect=models(at_least(0.2)),
    control=instead(
        "name movers", lambda s: s.name_movers.ablation.largest_rise(s.roles.name_movers[1:3])
    ),
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
    expect=models(near(1.04, abs=0.02, because=OTHER_PROMPTS)),
    control=instead(
        "a head outside the circuit ablated",
        lambda s: s.name_movers.without(s.roles.outside[0]).scale_ratio,
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
    expect=models(
        parts(least_kept=at_least(0.8), typical=at_most(0.1, because="a bit off from y = x"))
    ),
    control=instead("everything later held", lambda s: s.name_movers.held.kept_beyond_scale),
    note="The smallest share of the three largest rises that remains once the attribution before "
    "is multiplied by the ratio; `typical` is the median relative change of all heads.",
)
def test_the_scale_does_not_explain_the_rise(subject):
    return subject.name_movers.ablation.kept_beyond_scale


@claim(
    "ioi/finish-backup-analysis",
    says="Backups change because they attend more to the indirect object, negative heads less.",
    source=BACKUP / "Exercise to the reader",
    tier=2,
    published="an open question",
    expect=models(parts(second_backup=at_least(0.05), negative=at_most(0.0))),
    control=instead(
        "heads that do not change", lambda s: s.name_movers.attention_to_io(s.name_movers.unchanged)
    ),
    not_asserted="the document asks this and does not answer it",
    note="Change of attention from the end to IO: the second largest among the three heads that "
    "rise most, and that of the first negative name mover.",
)
def test_why_backups_change(subject):
    return subject.name_movers.attention_to_io(subject.name_movers.backups)


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
    expect=models(at_least(0.0)),
    control=instead(
        "the head with the shortest mean",
        lambda s: s.name_movers.zero_beyond_mean(s.name_movers.outside_by_mean[-1]),
    ),
    not_asserted="a caution: the document gives no number and no head",
    note="Change of the logit difference under zero ablation less that under mean ablation, for "
    "the head outside the circuit with the longest mean output.",
)
def test_zero_is_further_than_the_mean(subject):
    return subject.name_movers.zero_beyond_mean(subject.name_movers.outside_by_mean[0])
