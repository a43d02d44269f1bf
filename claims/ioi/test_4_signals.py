"""Positional and token information in the output of the S-inhibition heads."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, between, each, exactly, near, parts
from replications.systems.ioi.data import PRINTED

from .common import BY_ROLE, OTHER_PROMPTS, SIGNALS, known_roles, models

ABOUT = "the document says about"
A_TERM = "without a term there is nothing to add"


@claim(
    "ioi/flip-datasets",
    says="Six data sets realise every combination of token signal and position signal.",
    source=SIGNALS,
    tier=2,
    published="a table",
    expect={"text": exactly(1.0)},
    control=(
        instead(
            "two patterns exchanged",
            lambda s: s.signals_realised(two_exchanged=True),
            accepted_if="A reading of sentences that takes an inverted name for a random one.",
        ),
        instead(
            "the printed DCD sentence",
            lambda s: s.printed_example,
            accepted_if="A document whose printed sentence repeats its first name.",
        ),
    ),
    note="Read off the finished sentences. The sentence that the document prints for a random "
    "token and an inverted position repeats the second name, as the original does: its label is "
    "right, but the sentence is not.",
)
def test_the_flips_do_what_they_say(subject):
    return subject.signals_realised()


@claim(
    "ioi/signal-identity",
    says="Replacing the S-inhibition outputs by those on the same data changes nothing.",
    source=SIGNALS,
    tier=2,
    published=2.81,
    expect=models(each(at_most(1e-3, because="rounding of float32"))),
    control=instead(
        "the closest other cell",
        lambda s: [s.position_against_token.together.closest_other_cell],
        accepted_if="A model that does not use one of the two signals at all.",
    ),
    version=2,
    note="Distance of the top left cell from the clean logit difference, in each head's table.",
    costly=True,
)
def test_the_same_data_changes_nothing(subject):
    return subject.position_against_token.identity_errors


@claim(
    "ioi/both-inverted-negates",
    says="With both signals inverted the logit difference is close to minus the original.",
    source=SIGNALS,
    tier=1,
    published=-1.0,
    derived="close to -2.8, over 2.8",
    expect=models(between(-1.35, -0.7, because=OTHER_PROMPTS)),
    control=instead(
        "other heads",
        lambda s: s.position_against_token.table(s.roles.outside).both_inverted,
        accepted_if="Heads that we took for others and that carry both signals.",
    ),
    note="As a share of the original logit difference.",
    costly=True,
)
def test_both_signals_inverted_negate(subject):
    return subject.position_against_token.together.both_inverted


@claim(
    "ioi/position-inverted-hurts",
    says="Inverting the positional signal makes performance worse.",
    source=SIGNALS,
    tier=2,
    published="about 4.5",
    expect=models(
        parts(least=at_least(0.2, because="heads of no matter fall by less"), mean=at_least(3.0))
    ),
    control=instead(
        "other heads",
        lambda s: s.position_against_token.table(s.roles.outside).position_steps,
        accepted_if="Heads that we took for others and that carry the position.",
    ),
    version=2,
    note="Fall of the logit difference: the smallest of three rows, and the mean.",
    costly=True,
)
def test_an_inverted_position_hurts(subject):
    return subject.position_against_token.together.position_steps


@claim(
    "ioi/token-random-hurts",
    says="Randomising the token signal makes performance worse.",
    source=SIGNALS,
    tier=2,
    published="about 0.75",
    expect=models(each(at_least(0.2))),
    control=instead(
        "other heads",
        lambda s: s.position_against_token.table(s.roles.outside).random_token_steps,
        accepted_if="Heads that we took for others and that carry the token.",
    ),
    note="Fall of the logit difference in both columns.",
    costly=True,
)
def test_a_random_token_hurts(subject):
    return subject.position_against_token.together.random_token_steps


@claim(
    "ioi/token-inverted-hurts-more",
    says="Inverting the token signal hurts more than randomising it.",
    source=SIGNALS,
    tier=2,
    published="about 0.75 more",
    expect=models(each(at_least(0.2))),
    control=instead(
        "other heads",
        lambda s: s.position_against_token.table(s.roles.outside).inverted_token_steps,
        accepted_if="Heads that we took for others and that carry the token.",
    ),
    note="Further fall of the logit difference in both columns.",
    costly=True,
)
def test_an_inverted_token_hurts_more(subject):
    return subject.position_against_token.together.inverted_token_steps


_ADDS_UP = at_most(0.25 / 2.8)
_BOTH_TERMS = parts(
    largest_residual=_ADDS_UP,
    position_step=at_least(0.1, because=A_TERM),
    first_token_step=at_least(0.05, because=A_TERM),
    second_token_step=at_least(0.05, because=A_TERM),
)
_DOCUMENT_TERMS = parts(
    largest_residual=_ADDS_UP,
    position_step=near(4.5 / 2.8, rel=0.5, because=ABOUT),
    first_token_step=near(0.75 / 2.8, abs=0.2, because=ABOUT),
    second_token_step=near(0.75 / 2.8, abs=0.2, because=ABOUT),
)


@claim(
    "ioi/signals-additive",
    says="The logit difference is close to the sum of a positional and a token term.",
    source=SIGNALS,
    tier=1,
    published="column difference about 4.5, row difference about 0.75",
    expect={**models(_BOTH_TERMS), **known_roles(_DOCUMENT_TERMS)},
    control=(
        instead(
            "the data sets of the printed example",
            lambda s: s.position_against_token.table(s.roles.s_inhibition, PRINTED).additive,
            accepted_if="A model that does not use the position, so that this mistake is harmless.",
        ),
        instead(
            "other heads",
            lambda s: s.position_against_token.table(s.roles.outside).additive,
            accepted_if="Heads that we took for others and that carry both signals.",
        ),
    ),
    version=2,
    note="In units of the clean logit difference, which is 2.8 in the document. The control makes "
    "the mistake of the document's printed sentence: the data set with a random token and an "
    "inverted position keeps the position. Of toys no size of the steps is expected, but "
    "both terms must be there: a table without one of them is additive for want of anything to "
    "add.",
    costly=True,
)
def test_the_signals_add_up(subject):
    return subject.position_against_token.together.additive


@claim(
    "ioi/position-outweighs-token",
    says="Position matters three times as much as the token.",
    source=SIGNALS,
    tier=1,
    published=1 / 3,
    derived="(0.75 + 0.75) / 4.5",
    expect=models(between(1 / 5, 1 / 2, because=OTHER_PROMPTS)),
    control=(
        instead(
            "heads that detect the duplicate",
            lambda s: (
                s.position_against_token.table(s.roles.duplicate_detectors).token_over_position
            ),
            accepted_if="Early heads that pass on the token as well as the position.",
        ),
        instead(
            "other heads",
            lambda s: s.position_against_token.table(s.roles.outside).token_over_position,
            accepted_if="Heads that we took for others and that carry both signals.",
        ),
    ),
    version=2,
    note="Full swing of the token over that of the position, or 0 where the position is worth less "
    f"than a tenth of the clean logit difference: a ratio of noise says nothing. {BY_ROLE}",
    costly=True,
)
def test_position_outweighs_the_token(subject):
    return subject.position_against_token.together.token_over_position
