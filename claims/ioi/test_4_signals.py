"""Positional and token information in the output of the S-inhibition heads."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, between, each, exactly, near, parts

from .common import BY_ROLE, OTHER_PROMPTS, SIGNALS, models


@claim(
    "ioi/flip-datasets",
    says="Six data sets realise every combination of token signal and position signal.",
    source=SIGNALS,
    tier=2,
    published="a table",
    expect={"text": exactly(1.0)},
    control=(
        instead("two patterns exchanged", lambda s: s.signals_realised(two_exchanged=True)),
        instead("the printed DCD sentence", lambda s: s.printed_example),
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
    expect=models(at_most(1e-3, because="rounding of float32")),
    control=instead(
        "the closest other cell", lambda s: s.position_against_token.together.closest_other_cell
    ),
    note="Distance of the top left cell of the table from the clean logit difference.",
)
def test_the_same_data_changes_nothing(subject):
    return subject.position_against_token.together.identity_error


@claim(
    "ioi/both-inverted-negates",
    says="With both signals inverted the logit difference is close to minus the original.",
    source=SIGNALS,
    tier=1,
    published=-1.0,
    expect=models(between(-1.35, -0.7, because=OTHER_PROMPTS)),
    control=instead(
        "other heads", lambda s: s.position_against_token.table(s.roles.outside).both_inverted
    ),
    note="As a share of the original logit difference.",
)
def test_both_signals_inverted_negate(subject):
    return subject.position_against_token.together.both_inverted


@claim(
    "ioi/position-inverted-hurts",
    says="Inverting the positional signal makes performance worse.",
    source=SIGNALS,
    tier=2,
    published="about 4.5",
    expect=models(parts(least=at_least(0.0), mean=at_least(3.0))),
    control=instead(
        "other heads", lambda s: s.position_against_token.table(s.roles.outside).position_steps
    ),
    note="Fall of the logit difference: the smallest of three rows, and the mean.",
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
        "other heads", lambda s: s.position_against_token.table(s.roles.outside).random_token_steps
    ),
    note="Fall of the logit difference in both columns.",
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
    ),
    note="Further fall of the logit difference in both columns.",
)
def test_an_inverted_token_hurts_more(subject):
    return subject.position_against_token.together.inverted_token_steps


@claim(
    "ioi/signals-additive",
    says="The logit difference is close to the sum of a positional and a token term.",
    source=SIGNALS,
    tier=1,
    published="column difference about 4.5, row difference about 0.75",
    expect={
        "gpt2-small": parts(
            largest_residual=at_most(0.25 / 2.8),
            position_step=near(4.5 / 2.8, abs=0.7 / 2.8, because=OTHER_PROMPTS),
            first_token_step=near(0.75 / 2.8, abs=0.35 / 2.8),
            second_token_step=near(0.75 / 2.8, abs=0.35 / 2.8),
        ),
        "repairing": parts(
            largest_residual=at_most(0.25 / 2.8),
            position_step=at_least(-0.1),
            first_token_step=at_least(0.0),
            second_token_step=at_least(0.0),
        ),
        "plain": parts(
            largest_residual=at_most(0.25 / 2.8),
            position_step=at_least(-0.1),
            first_token_step=at_least(0.0),
            second_token_step=at_least(0.0),
        ),
    },
    control=instead(
        "the same numbers in other cells",
        lambda s: s.position_against_token.together.permuted.additive,
    ),
    note="In units of the clean logit difference, which is 2.8 in the document. For toys, "
    "additivity is expected but no size of the steps.",
)
def test_the_signals_add_up(subject):
    return subject.position_against_token.together.additive


@claim(
    "ioi/position-outweighs-token",
    says="Position matters three times as much as the token.",
    source=SIGNALS,
    tier=1,
    published=3.0,
    expect=models(between(2, 5, because=OTHER_PROMPTS)),
    control=(
        instead(
            "heads that detect the duplicate",
            lambda s: (
                s.position_against_token.table(s.roles.duplicate_detectors).position_over_token
            ),
        ),
        instead(
            "other heads",
            lambda s: s.position_against_token.table(s.roles.outside).position_over_token,
        ),
    ),
    note=f"Full swing of the position over that of the token, 4.5 over 1.5. {BY_ROLE}",
)
def test_position_outweighs_the_token(subject):
    return subject.position_against_token.together.position_over_token
