"""The document's open question: under what conditions does a model compensate for a lost head?

The toy models of `replications.systems.ioi.regimes` all do the task without an error. In most pairs
that are compared here, one factor of the training differs (`regimes.ISOLATES`), and the seed is the
same. A recovered share is relative to the attribution of the head that is ablated.
"""

from __future__ import annotations

from replications.judging.claim import claim, instead, on
from replications.judging.expectation import at_least, at_most, parts

from .common import TOPICS

SOURCE = TOPICS / "What are the conditions for compensation mechanisms to occur?"
QUESTION = "an open question: is it due to dropout?"

REPAIRED = parts(
    low=at_least(0.5, because="the lower end of a 95 % bootstrap interval over prompts"),
    heads=at_least(0.3),
)
HARDLY = parts(
    high=at_most(0.5, because="the upper end of a 95 % bootstrap interval over prompts"),
    heads=at_most(0.1),
)
PARTS = "The recovered share, as one end of its interval, and the part that other heads bring."

held = instead(
    "everything later held",
    lambda s: s.name_movers.held.repaired,
    accepted_if="A final LayerNorm and heads of the same layer that repair the model alone.",
)
never_lost = on(
    "the model that never lost a head",
    lambda s: s.other,
    accepted_if="A model that repairs itself although it never lost a head in training.",
)
lost = on(
    "the model that lost heads, few and wide",
    lambda s: s.other,
    accepted_if="A model that lost heads and is not repaired, as on seed 2 of `repairing`.",
)


@claim(
    "ioi/conditions-for-repair",
    says="A model that lost heads in training where it answers is repaired by other heads.",
    source=SOURCE,
    tier=2,
    published=QUESTION,
    expect={"repairing": REPAIRED},
    control=(never_lost, held),
    version=2,
    note=f"{PARTS} The control has the same recipe and seed, but no head was ever left out. The "
    "claim fails on seeds whose top head is in the first layer and feeds the others.",
)
def test_repair_can_be_trained(subject):
    return subject.name_movers.ablation.repaired


@claim(
    "ioi/no-repair-without-loss",
    says="A model that never lost a head in training is hardly repaired by other heads.",
    source=SOURCE,
    tier=2,
    published=QUESTION,
    expect={"kept": HARDLY},
    control=lost,
    note=f"{PARTS} Isolated is whether heads are left out in training: `kept` against `repairing`.",
)
def test_without_loss_there_is_no_repair(subject):
    return subject.name_movers.ablation.unrepaired


@claim(
    "ioi/repair-with-certain-answers",
    says="Training on certain answers does not prevent repair by other heads.",
    source=SOURCE,
    tier=2,
    published=QUESTION,
    expect={"certain": REPAIRED, "smoothed": REPAIRED},
    control=(never_lost, held),
    note=f"{PARTS} Isolated are whether the right name always follows (`certain` against "
    "`repairing`), and label smoothing (`smoothed` against `certain`).",
)
def test_certain_answers_do_not_prevent_repair(subject):
    return subject.name_movers.ablation.repaired


@claim(
    "ioi/repair-with-zeros",
    says="It does not matter for repair that zeros took the place of the heads that were lost.",
    source=SOURCE,
    tier=2,
    published=QUESTION,
    expect={"zeroed": REPAIRED},
    control=(never_lost, held),
    note=f"{PARTS} Isolated is what stands in the place of a lost head: `zeroed` against "
    "`repairing`, whose lost heads give their mean.",
)
def test_zeros_do_not_prevent_repair(subject):
    return subject.name_movers.ablation.repaired


@claim(
    "ioi/repair-when-lost-everywhere",
    says="A model that lost heads in whole sentences is repaired by other heads.",
    source=SOURCE,
    tier=2,
    published=QUESTION,
    expect={"everywhere": REPAIRED},
    control=(never_lost, held),
    note=f"{PARTS} Two factors differ from `zeroed`: where heads are left out, and how often.",
)
def test_loss_everywhere_brings_repair(subject):
    return subject.name_movers.ablation.repaired


@claim(
    "ioi/narrow-heads-hardly-repair",
    says="With many narrow heads, lost as often, a model is hardly repaired by other heads.",
    source=SOURCE,
    tier=2,
    published=QUESTION,
    expect={"narrow": HARDLY},
    control=lost,
    note=f"{PARTS} Isolated is the number of heads at one width of the model: `narrow` against "
    "`repairing`.",
)
def test_narrow_heads_hardly_repair(subject):
    return subject.name_movers.ablation.unrepaired


@claim(
    "ioi/ordinary-dropout-is-not-enough",
    says="The usual dropout of heads at 10 % leaves a model that other heads hardly repair.",
    source=SOURCE,
    tier=2,
    published=QUESTION,
    expect={"plain": HARDLY},
    control=lost,
    version=2,
    note=f"{PARTS} No single factor is isolated: `plain` also has more heads, a wider model and "
    "certain answers. What is recovered comes from the final LayerNorm, whose scale falls with the "
    "answer.",
)
def test_ordinary_dropout_is_not_enough(subject):
    return subject.name_movers.ablation.unrepaired
