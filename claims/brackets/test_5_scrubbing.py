"""Beyond the document: causal scrubbing of the published model, the losses that were printed.

The hypotheses are those of Redwood Research's post; the losses are the targets of its authors'
executable replication, whose own check fails beyond four of its standard errors.
"""

from __future__ import annotations

from replications.judging.base import Expectation
from replications.judging.claim import Source, claim, instead
from replications.judging.expectation import at_least, at_most, each, near, parts

POST = Source(
    "Causal scrubbing: results on a paren balance checker (Redwood Research, 2022)",
    "https://www.lesswrong.com/s/h95ayYYwMebGEYN5y/p/kjudfaQazMmC74SbF",
)
REPLICATION = Source(
    "remix_public, remix_d4_part2 (the authors' executable replication)",
    "https://github.com/redwoodresearch/remix_public/tree/45c291dbd4b62af8e907fe5a44852a3e865728ee",
)
BASELINES = REPLICATION / "Experiment 0"
DIRECT = REPLICATION / "Experiment 1"
COUNT_HEADS = REPLICATION / "Experiment 2"
HORIZON_HEAD = REPLICATION / "Experiment 3"
ALL = REPLICATION / "Experiment 4"

RANDOM = 4.30
"""The published loss of outputs paired with random labels; one without a model's errors is 0."""
FOUR = "four standard errors of the published loss, as the authors' own check has it"


def losses(published: Expectation, below: Expectation) -> dict[str, Expectation]:
    """The published loss for the published model, at most as much for the retrained ones."""
    return {
        "arena": parts(loss=each(published), because=FOUR),
        "retrained": parts(loss=each(below), because=FOUR),
    }


def both(published: Expectation, below: Expectation, share: Expectation) -> dict[str, Expectation]:
    """The same, and the published share of the loss recovered, less the error of that loss."""
    return {
        "arena": parts(loss=each(published), recovered=each(share), because=FOUR),
        "retrained": parts(loss=each(below), recovered=each(share), because=FOUR),
    }


def wrong(name: str, accepted_if: str, only: str = ""):
    """The loss and share of a wrong hypothesis."""
    return instead(name, lambda s: s.scrubbing.found(name), accepted_if=accepted_if, only=only)


EXCHANGED = "A model whose 2.1 checks the count, and whose 1.0 and 2.0 check the horizon."
NO_HORIZON_HEAD = "A model whose verdict does not depend on head 2.1."
ELSEWHERE = "A model in which 0.1 and 1.1 do what 2.0 and 2.1 do in the published one."
READS_2 = "A model whose 1.0 and 2.0 read position 2 instead of position 1."


@claim(
    "brackets/scrub-0a",
    says="With nothing scrubbed the loss is that of the model, about zero.",
    source=BASELINES,
    tier=2,
    published=0,
    expect=losses(near(0.0, abs=4 * 0.01), at_most(0.0 + 4 * 0.01)),
    control=instead(
        "0b",
        lambda s: s.scrubbing.just_the_loss("0b"),
        accepted_if="A model that gives every string the same, right, answer.",
    ),
    costly=True,
)
def test_nothing_scrubbed(subject):
    return subject.scrubbing.just_the_loss("0a")


@claim(
    "brackets/scrub-0b",
    says="Outputs paired with the labels of random strings have a loss of about 4.30.",
    source=BASELINES,
    tier=1,
    published=4.30,
    expect={"arena": parts(loss=each(near(4.30, abs=0.48)), because=FOUR)},
    control=instead(
        "total head alone",
        lambda s: s.scrubbing.just_the_loss("total head alone"),
        accepted_if="A model in which the total head's direct path does nothing.",
    ),
    costly=True,
)
def test_random_labels(subject):
    return subject.scrubbing.just_the_loss("0b")


@claim(
    "brackets/scrub-1a",
    says="If the direct paths of 1.0 and 2.0 depend on the count test and that of 2.1 on the "
    "horizon test, the loss is 0.52: 88 % is recovered.",
    source=DIRECT,
    tier=1,
    published=[0.52, 0.88],
    expect=both(
        near(0.52, abs=4 * 0.04), at_most(0.52 + 4 * 0.04), at_least(0.88 - 4 * 0.04 / RANDOM)
    ),
    control=(
        wrong("features exchanged", EXCHANGED),
        wrong("horizon head left out", NO_HORIZON_HEAD),
        wrong("other heads", ELSEWHERE),
    ),
    costly=True,
)
def test_count_and_horizon(subject):
    return subject.scrubbing.found("1a")


@claim(
    "brackets/scrub-1b",
    says="If 1.0 and 2.0 also depend on whether the string starts with '(', the loss is 0.30: "
    "93 % is recovered.",
    source=DIRECT,
    tier=1,
    published=[0.30, 0.93],
    expect=both(
        near(0.30, abs=4 * 0.04), at_most(0.30 + 4 * 0.04), at_least(0.93 - 4 * 0.04 / RANDOM)
    ),
    control=(
        wrong("features exchanged, count(", EXCHANGED),
        wrong("first count head left out", "A model whose verdict does not depend on head 1.0."),
        wrong("horizon head left out", NO_HORIZON_HEAD),
        wrong("total head alone", "A model whose verdict depends on head 2.0 alone."),
        wrong("first bracket alone", "A model that only looks at the first bracket."),
        wrong("other heads", ELSEWHERE),
    ),
    costly=True,
)
def test_count_with_the_first_bracket(subject):
    return subject.scrubbing.found("1b")


@claim(
    "brackets/scrub-2a",
    says="If 1.0 and 2.0 read position 1 alone, where they learn the first bracket from the "
    "embeddings and the share of '(' from 0.0, the loss is 0.55.",
    source=COUNT_HEADS,
    tier=1,
    published=0.55,
    expect=both(
        near(0.55, abs=4 * 0.04),
        at_most(0.55 + 4 * 0.04),
        at_least(1 - 0.55 / RANDOM - 4 * 0.04 / RANDOM),
    ),
    control=(
        wrong("2a from position 2", READS_2),
        wrong("features exchanged", EXCHANGED),
    ),
    costly=True,
)
def test_position_1_reads_the_elevation_head(subject):
    return subject.scrubbing.found("2a")


@claim(
    "brackets/scrub-2b",
    says="0.0's output at position 1 may be replaced by a multiple of one direction, (2p - 1) v, "
    "and the loss is 0.53.",
    source=COUNT_HEADS,
    tier=1,
    published=0.53,
    expect=both(
        near(0.53, abs=4 * 0.04),
        at_most(0.53 + 4 * 0.04),
        at_least(1 - 0.53 / RANDOM - 4 * 0.04 / RANDOM),
    ),
    control=(
        wrong("2a from position 2", READS_2),
        wrong("features exchanged", EXCHANGED),
    ),
    costly=True,
)
def test_the_output_of_the_elevation_head_is_estimated(subject):
    return subject.scrubbing.found("2b")


@claim(
    "brackets/scrub-3a",
    says="If 2.1 reads from each position only whether the brackets from there on speak against "
    "the string, the loss is 1.12.",
    source=HORIZON_HEAD,
    tier=2,
    published=1.124,
    expect=losses(near(1.124, abs=4 * 0.1), at_most(1.124 + 4 * 0.1)),
    control=instead(
        "3b positions of other strings",
        lambda s: s.scrubbing.just_the_loss("3b positions of other strings"),
        accepted_if="A model whose 2.1 does not depend on what is at single positions.",
    ),
    note="The authors print two values, 1.124 as the target and about 1.23 in the text, and say "
    "that the post's value does not reproduce.",
    costly=True,
)
def test_the_horizon_head_by_position(subject):
    return subject.scrubbing.just_the_loss("3a")


@claim(
    "brackets/scrub-3b",
    says="With shares weighted by 0.0's attention, the loss of the same hypothesis is 1.14.",
    source=HORIZON_HEAD,
    tier=2,
    published=1.140,
    expect=losses(near(1.140, abs=4 * 0.1), at_most(1.140 + 4 * 0.1)),
    control=instead(
        "3b positions of other strings",
        lambda s: s.scrubbing.just_the_loss("3b positions of other strings"),
        accepted_if="A model whose 2.1 does not depend on what is at single positions.",
    ),
    note="The authors print 1.140 as the target and about 1.17 in the text. Here a weighted "
    "share of one half counts as one half; if its rounding decides, one balanced string in nine "
    "speaks against itself, and the losses are 0.98 and 1.08.",
    costly=True,
)
def test_the_horizon_head_by_adjusted_shares(subject):
    return subject.scrubbing.just_the_loss("3b")


@claim(
    "brackets/scrub-4",
    says="All hypotheses together have a loss of 1.7.",
    source=ALL,
    tier=2,
    published=1.7,
    expect=losses(near(1.7, abs=4 * 0.1), at_most(1.7 + 4 * 0.1)),
    control=instead(
        "3b positions of other strings",
        lambda s: s.scrubbing.just_the_loss("3b positions of other strings"),
        accepted_if="A model whose 2.1 does not depend on what is at single positions.",
    ),
    note="The authors print 1.7 as the target and about 1.64 in the text; the post has 1.22, see "
    "brackets/scrub-4-post. If rounding decides ties of weighted shares (see brackets/scrub-3b), "
    "the losses here are 1.53 and 1.64.",
    costly=True,
)
def test_all_together(subject):
    return subject.scrubbing.just_the_loss("4")


@claim(
    "brackets/scrub-4-post",
    says="All hypotheses together have a loss of 1.22: 72 % is recovered.",
    source=POST / "Experiment 4",
    tier=2,
    published=[1.22, 0.72],
    expect={
        "arena": parts(
            loss=each(near(1.22, abs=0.2)),
            recovered=each(at_least(0.67)),
            because="four standard errors of a loss like this on 4,000 references, 0.05 each",
        )
    },
    control=wrong(
        "3b positions of other strings",
        "A model whose 2.1 does not depend on what is at single positions.",
    ),
    not_asserted="does not hold: the authors' own replication finds 1.64 to 1.7 and says that the "
    "post's value does not reproduce; here it is 1.5. The width around 1.22 was chosen when that "
    "had been seen",
    costly=True,
)
def test_all_together_as_in_the_post(subject):
    return subject.scrubbing.found("4")
