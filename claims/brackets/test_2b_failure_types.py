"""Section 2: which head answers which type of failure."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, exactly, parts
from replications.systems.brackets.roles import find_roles

from .common import BACKWARDS, MODELS, untrained


@claim(
    "brackets/roles-by-rule",
    says="Found by what they do, the heads of the four roles are the published 0.0, 1.1, 2.0, 2.1.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    expect={"arena": exactly(["0.0", "1.1", "2.0", "2.1"])},
    control=(
        instead(
            "classes of other strings",
            lambda s: find_roles(s.task, shuffled_classes=True).labels,
            accepted_if="A model whose 2.0 writes more than 2.1 on strings of every kind.",
        ),
        untrained,
    ),
    note="Beyond the document: shows that the rule that names the heads of retrained models finds "
    "the published ones.",
)
def test_roles_are_found_where_they_were_published(subject):
    return subject.found_roles.labels


@claim(
    "brackets/h20-total-elevation",
    says="Head 2.0 is the one that catches a wrong total of brackets.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=1,
    published="qualitative",
    expect={
        group: parts(
            auroc=at_least(0.99),
            times_the_other_head=at_least(1.5),
            fifth_percentile=at_least(5.0),
        )
        for group in MODELS
    },
    control=(
        instead(
            "head 2.0 on negative suffixes",
            lambda s: s.total_head.says_unbalanced(s.task.N),
            accepted_if="A model whose 2.0 answers both failures and outweighs 2.1 on both.",
        ),
        untrained,
    ),
    note="Strings with only a wrong total always have more ')' than '('.",
)
def test_the_total_head_catches_wrong_totals(subject):
    return subject.total_head.says_unbalanced(subject.task.T)


@claim(
    "brackets/h21-never-negative",
    says="Head 2.1 is the one that catches an elevation that goes negative.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=1,
    published="qualitative",
    expect={
        group: parts(
            auroc=at_least(0.99),
            times_the_other_head=at_least(2.0),
            accuracy_when_silenced=at_most(0.1),
        )
        for group in MODELS
    },
    control=(
        instead(
            "head 2.1 on wrong totals",
            lambda s: s.negative_head.decides(s.task.T),
            accepted_if="A model in which 2.1 alone catches both failures.",
        ),
        untrained,
    ),
)
def test_the_negative_head_catches_negative_suffixes(subject):
    return subject.negative_head.decides(subject.task.N)


@claim(
    "brackets/heads-overlap",
    says="Each of the two heads also answers the failures that are not its own.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={group: parts(lower_auroc=at_least(0.85), lower_mean=at_least(2.0)) for group in MODELS},
    control=(
        instead(
            "the heads of layer 1",
            lambda s: s.components.foreign_answers(on_N="1.0", on_T="1.1"),
            accepted_if="A model whose layer-1 heads already write the verdict to position 0.",
        ),
        untrained,
    ),
)
def test_both_heads_answer_both_failures(subject):
    return subject.components.foreign_answers()


@claim(
    "brackets/overlap-lowers-loss",
    says="The loss is slightly lower because both heads answer, not only the responsible one.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={
        group: parts(
            rise_on_T=at_least(1e-5, because="ten times the loss of a sure verdict's rounding"),
            rise_on_N=at_least(1e-5),
            change_of_accuracy=exactly(0.0),
        )
        for group in MODELS
    },
    control=(
        instead(
            "on balanced strings",
            lambda s: s.circuit.loss_rise(on_balanced=True),
            accepted_if="A model whose two heads also speak for the balanced strings.",
        ),
        instead(
            "head 0.1 silenced",
            lambda s: s.circuit.loss_rise(
                s.elevation_head.sibling.head, s.elevation_head.sibling.head
            ),
            accepted_if="A model whose 0.1 serves the loss and decides no verdict.",
        ),
        instead(
            "the responsible heads silenced",
            lambda s: s.circuit.loss_rise(s.roles.total, s.roles.negative),
            accepted_if="A model in which yet another head catches each kind of failure.",
        ),
    ),
    costly=True,
)
def test_agreement_lowers_the_loss(subject):
    return subject.circuit.loss_rise()


@claim(
    "brackets/layer1-heads-help-overlap",
    says="A head in layer 1 makes 2.0 answer negative suffixes, and hardly touches its own job.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={group: parts(lost_on_N=at_least(0.7), change_on_T=at_most(0.2)) for group in MODELS},
    control=(
        instead(
            "the other head of layer 1",
            lambda s: s.circuit.without(s.circuit.other_of_layer_1),
            accepted_if="A model in which both heads of layer 1 pass negative suffixes on to 2.0.",
        ),
        instead(
            "head 0.0",
            lambda s: s.circuit.without(s.roles.elevation),
            accepted_if="A model whose 2.0 gets the total from 0.1 and negative suffixes from 0.0.",
        ),
    ),
    costly=True,
)
def test_a_layer_1_head_carries_the_overlap(subject):
    return subject.circuit.without()


@claim(
    "brackets/h20-vs-open-proportion",
    says="Head 2.0 says unbalanced when the share of '(' is not one half, and much less at it.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={
        group: parts(
            below_half=at_least(5.0), negative_at_half=at_most(6.0), above_half=at_least(5.0)
        )
        for group in MODELS
    },
    control=(
        instead(
            "head 2.1",
            lambda s: s.negative_head.by_open_share,
            accepted_if="A model whose 2.1 answers the share of '(' too, negative suffixes little.",
        ),
        untrained,
    ),
    note="A string whose share is above one half always has a negative suffix too.",
)
def test_the_total_head_follows_the_open_proportion(subject):
    return subject.total_head.by_open_share


@claim(
    "brackets/h21-vs-open-proportion",
    says="Head 2.1 separates the classes at a share of '(' of exactly one half.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={group: at_least(10.0) for group in MODELS},
    control=instead(
        "head 2.0",
        lambda s: s.total_head.gap_at_half,
        accepted_if="A model whose 2.0 answers negative suffixes as strongly as 2.1.",
    ),
)
def test_the_negative_head_separates_at_one_half(subject):
    return subject.negative_head.gap_at_half


@claim(
    "brackets/starts-closed-differs",
    says="Strings that open with ')' are handled otherwise, and always called unbalanced.",
    source=BACKWARDS / "Head influence by type of failures",
    tier=2,
    published="qualitative",
    expect={
        group: parts(
            accuracy=exactly(1.0),
            attention_open_first=at_least(0.45),
            attention_closed_first=at_most(0.30),
        )
        for group in MODELS
    },
    control=(
        instead(
            "strings with a negative suffix only",
            lambda s: s.total_head.closed_starts(s.task.N),
            accepted_if="A model in which every negative suffix draws attention from position 1.",
        ),
        untrained,
    ),
)
def test_strings_that_open_with_a_close_are_handled_otherwise(subject):
    return subject.total_head.closed_starts()
