"""Each S-inhibition head alone: does it care about the token or about the position?"""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, between, each, exactly, parts

from .common import BY_ROLE, DECOMPOSED, OTHER_PROMPTS, models


@claim(
    "ioi/each-s-inhib-positional",
    says="Each S-inhibition head alone cares more about position than about the token.",
    source=DECOMPOSED,
    tier=1,
    published="four tables",
    expect=models(each(at_least(0.01, because="a head that does nothing prefers neither"))),
    control=(
        instead(
            "duplicate-token heads", lambda s: s.position_against_token.leads(s.roles.duplicate)
        ),
        instead("other heads", lambda s: s.position_against_token.leads(s.roles.outside)),
    ),
    note="Position step less the size of the token swing, as a share of the clean logit "
    "difference.",
)
def test_each_head_prefers_position(subject):
    return subject.position_against_token.leads(subject.roles.s_inhibition)


@claim(
    "ioi/8.6-position-only",
    says="8.6, the biggest S-inhibition head, does not care about the token at all.",
    source=DECOMPOSED,
    tier=1,
    published="not at all",
    expect=models(parts(token_over_position=at_most(0.1), rank=exactly(1))),
    control=instead(
        "a head that reads the token",
        lambda s: s.position_against_token.alone(s.roles.token_readers[0]),
    ),
    note=f"Token swing over position step, and the rank of that step. {BY_ROLE}",
)
def test_the_biggest_head_reads_position_only(subject):
    return subject.position_against_token.alone(subject.roles.biggest_inhibition)


@claim(
    "ioi/7.9-8.10-token",
    says="Only 7.9 and 8.10 care about the token, and about position almost twice as much.",
    source=DECOMPOSED,
    tier=1,
    published="almost twice",
    expect=models(
        parts(
            least_ratio=between(1.3, 3, because=OTHER_PROMPTS),
            largest_ratio=between(1.3, 3),
            lead_in_token=at_least(0.0),
        )
    ),
    control=instead(
        "the other heads",
        lambda s: s.position_against_token.token_readers(s.roles.position_readers),
    ),
    note="Position step over token swing of each head. The lead is the smaller token swing of "
    "both less the largest of the other S-inhibition heads.",
)
def test_two_heads_read_the_token_too(subject):
    return subject.position_against_token.token_readers(subject.roles.token_readers)


@claim(
    "ioi/each-s-inhib-additive",
    says="The additive approximation holds for each head, with coefficients of its own.",
    source=DECOMPOSED,
    tier=2,
    published="seems to hold",
    expect=models(each(at_most(0.1))),
    control=instead(
        "the same numbers in other cells",
        lambda s: s.position_against_token.residuals(permuted=True),
    ),
    note="Largest residual over the range of the table. A residual below 0.02 of the clean logit "
    "difference counts as zero.",
)
def test_each_head_is_additive(subject):
    return subject.position_against_token.residuals()
