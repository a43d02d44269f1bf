"""Beyond the document: are the scrubbed hypotheses better than wrong ones?

Losses are compared on the same reference strings; the unit is the standard error of the mean
difference, and the smallest value over two seeds counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from replications.judging.base import Expectation
from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, each, parts

from .test_5_scrubbing import COUNT_HEADS, DIRECT, ELSEWHERE, HORIZON_HEAD, POST

CLEARLY = at_least(4.0, because="four standard errors, as in the criterion for a printed loss")
OVER_1A = {
    "exchanged": "features exchanged",
    "no_horizon_head": "horizon head left out",
    "total_alone": "total head alone",
    "first_bracket": "first bracket alone",
}
OVER_1B = OVER_1A | {"no_first_head": "first count head left out", "other_heads": "other heads"}
OVER_2A = {
    "from_position_2": "2a from position 2",
    "without_p1": "2a without p1",
    "position_2_of_00": "2a with position 2 of 0.0",
}
OVER_DIRECT = {"without": "1b", "path_of_01": "1-direct-01"}


def clearly(over: Mapping[str, str]) -> Expectation:
    """A clear advantage over each of some hypotheses."""
    return parts(because="", **dict.fromkeys(over, CLEARLY))


@claim(
    "brackets/scrub-1a-beats-wrong",
    says="The count test for 1.0 and 2.0 and the horizon test for 2.1 recover clearly more than "
    "the same tests exchanged, than fewer heads, and than the first bracket.",
    source=DIRECT,
    tier=2,
    expect={g: clearly(OVER_1A) for g in ("arena", "retrained")},
    control=instead(
        "other heads as the hypothesis",
        lambda s: s.scrubbing.advantages("other heads", **OVER_1A),
        accepted_if=ELSEWHERE,
    ),
    costly=True,
)
def test_the_count_test_is_better_than_wrong_ones(subject):
    return subject.scrubbing.advantages("1a", **OVER_1A)


@claim(
    "brackets/scrub-1b-beats-wrong",
    says="With the first bracket, the same hypothesis recovers clearly more than wrong ones.",
    source=DIRECT,
    tier=2,
    expect={g: clearly(OVER_1B) for g in ("arena", "retrained")},
    control=instead(
        "nothing named",
        lambda s: s.scrubbing.advantages("0b", **OVER_1B),
        accepted_if="A model that wrong hypotheses mislead, so that they do worse than chance.",
    ),
    costly=True,
)
def test_the_count_test_with_the_first_bracket_is_better_than_wrong_ones(subject):
    return subject.scrubbing.advantages("1b", **OVER_1B)


@claim(
    "brackets/scrub-1b-beats-label",
    says="Count and horizon tests recover clearly more than the label, named for all three heads.",
    source=DIRECT,
    tier=2,
    expect={g: parts(label=CLEARLY) for g in ("arena", "retrained")},
    control=instead(
        "other heads as the hypothesis",
        lambda s: s.scrubbing.advantages("other heads", label="the label"),
        accepted_if=ELSEWHERE,
    ),
    not_asserted="does not hold: naming the label for all three heads recovers more, so by this "
    "measure the hypothesis is not better than a wrong one",
    note="If every head sees a string with the right label, two of them are rarely both wrong. "
    "Scrubbing cannot tell what each head checks from what the verdict is.",
    costly=True,
)
def test_the_tests_are_better_than_the_label(subject):
    return subject.scrubbing.advantages("1b", label="the label")


@claim(
    "brackets/scrub-1-direct-00",
    says="The direct path of 0.0 depends on the count test and the first bracket too, and that of "
    "0.1 does so less.",
    source=DIRECT / "Bonus",
    tier=2,
    published="qualitative",
    expect={g: clearly(OVER_DIRECT) for g in ("arena", "retrained")},
    control=instead(
        "other heads as the hypothesis",
        lambda s: s.scrubbing.advantages("other heads", **OVER_DIRECT),
        accepted_if=ELSEWHERE,
    ),
    not_asserted="does not hold: to name the direct path of 0.1 recovers as much",
    costly=True,
)
def test_the_direct_path_of_the_elevation_head(subject):
    return subject.scrubbing.advantages("1-direct-00", **OVER_DIRECT)


@claim(
    "brackets/scrub-2-position-1",
    says="Of their input, 1.0 and 2.0 use position 1 alone.",
    source=COUNT_HEADS,
    tier=2,
    published="qualitative",
    expect={
        "arena": parts(
            recovered=each(at_least(0.8350, because="at least what 2a, which allows more, may")),
        )
    },
    control=instead(
        "position 2",
        lambda s: s.scrubbing.shares(recovered="2a from position 2"),
        accepted_if="A model whose 1.0 and 2.0 read position 2 instead of position 1.",
    ),
    costly=True,
)
def test_position_1_is_enough(subject):
    return subject.scrubbing.shares(recovered="2-position-1")


@claim(
    "brackets/scrub-2-direction",
    says="Of 0.0's output at position 1, one direction is enough: what it writes for '('.",
    source=COUNT_HEADS,
    tier=2,
    published="qualitative",
    expect={
        "arena": parts(
            recovered=each(
                at_least(0.8350, because="at least what 2a, which names the whole output, may")
            ),
            over_an_orthogonal_one=CLEARLY,
        )
    },
    control=instead(
        "position 2",
        lambda s: s.scrubbing.against("2a from position 2", over="2-direction across"),
        accepted_if="A model whose 1.0 and 2.0 read position 2 instead of position 1.",
    ),
    costly=True,
)
def test_one_direction_is_enough(subject):
    return subject.scrubbing.against("2-direction", over="2-direction across")


@claim(
    "brackets/scrub-2a-beats-wrong",
    says="That 1.0 and 2.0 learn the share of '(' from 0.0 at position 1 recovers clearly more "
    "than that they read position 2, or anything else of 0.0.",
    source=COUNT_HEADS,
    tier=2,
    expect={"arena": clearly(OVER_2A)},
    control=instead(
        "other heads as the hypothesis",
        lambda s: s.scrubbing.advantages("other heads", **OVER_2A),
        accepted_if=ELSEWHERE,
    ),
    costly=True,
)
def test_reading_the_elevation_head_is_better_than_wrong_hypotheses(subject):
    return subject.scrubbing.advantages("2a", **OVER_2A)


@claim(
    "brackets/scrub-2b-beats-wrong",
    says="The estimate (2p - 1) v of 0.0's output recovers clearly more than wrong hypotheses.",
    source=COUNT_HEADS,
    tier=2,
    expect={"arena": clearly(OVER_2A)},
    control=instead(
        "other heads as the hypothesis",
        lambda s: s.scrubbing.advantages("other heads", **OVER_2A),
        accepted_if=ELSEWHERE,
    ),
    costly=True,
)
def test_the_estimate_is_better_than_wrong_hypotheses(subject):
    return subject.scrubbing.advantages("2b", **OVER_2A)


@claim(
    "brackets/scrub-3b-beats-3a",
    says="Shares of '(' weighted by 0.0's attention describe what 2.1 reads clearly better than "
    "plain shares.",
    source=HORIZON_HEAD,
    tier=2,
    published="qualitative",
    expect={g: parts(plain_shares=CLEARLY) for g in ("arena", "retrained")},
    control=instead(
        "positions of any string",
        lambda s: s.scrubbing.advantages("3b positions of other strings", plain_shares="3a"),
        accepted_if="A model whose 2.1 does not depend on what is at single positions.",
    ),
    not_asserted="does not hold: better by 3.8 and 4.6 standard errors, which is less than four on "
    "one seed",
    note="The text of the authors' replication has 1.17 against 1.23; its targets have 1.140 "
    "against 1.124.",
    costly=True,
)
def test_adjusted_shares_are_better(subject):
    return subject.scrubbing.advantages("3b", plain_shares="3a")


SHARES = {"h1a": "1a", "h1b": "1b", "h2a": "2a", "h2b": "2b"}
WRONG_SHARES = {
    "h1a": "features exchanged",
    "h1b": "features exchanged, count(",
    "h2a": "2a from position 2",
    "h2b": "2a from position 2",
}


@claim(
    "brackets/scrub-document-strings",
    says="On the strings of the bracket document the hypotheses recover as much.",
    source=POST,
    tier=2,
    expect={
        "arena": parts(
            h1a=each(at_least(0.8428)),
            h1b=each(at_least(0.8928)),
            h2a=each(at_least(0.8349)),
            h2b=each(at_least(0.8395)),
            because="the published shares less four standard errors, as for Redwood's strings",
        )
    },
    control=instead(
        "wrong hypotheses",
        lambda s: s.scrubbing_on_own_strings.shares(**WRONG_SHARES),
        accepted_if="A model whose 2.1 checks the count, and whose 1.0 and 2.0 check the horizon "
        "at position 2.",
    ),
    costly=True,
)
def test_the_hypotheses_on_the_strings_of_the_document(subject):
    return subject.scrubbing_on_own_strings.shares(**SHARES)
