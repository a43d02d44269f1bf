"""Each S-inhibition head alone: does it care about the token or about the position?"""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, between, each, exactly, parts
from replications.systems.ioi.data import PRINTED

from .common import BY_ROLE, DECOMPOSED, OTHER_PROMPTS, known_roles, models


@claim(
    "ioi/each-s-inhib-positional",
    says="Each S-inhibition head alone cares more about position than about the token.",
    source=DECOMPOSED,
    tier=1,
    published="four tables",
    expect=models(each(at_least(0.01, because="a head that does nothing prefers neither"))),
    control=(
        instead(
            "the two first name movers",
            lambda s: s.position_against_token.leads(s.roles.name_movers[:2]),
            accepted_if="Name movers that write down a position rather than a name.",
        ),
        instead(
            "other heads",
            lambda s: s.position_against_token.leads(s.roles.outside),
            accepted_if="Heads that we took for others and that carry the position.",
        ),
    ),
    version=2,
    note="Position step less the size of the token swing, as a share of the clean logit "
    "difference. Duplicate-token heads are no control: they carry the position too.",
    costly=True,
)
def test_each_head_prefers_position(subject):
    return subject.position_against_token.leads(subject.roles.s_inhibition)


@claim(
    "ioi/8.6-position-only",
    says="8.6, the biggest S-inhibition head, does not care about the token at all.",
    source=DECOMPOSED,
    tier=1,
    published="not at all",
    expect=models(
        parts(
            token_over_position=each(
                at_most(0.25, because="half of the share that the two token readers have")
            ),
            rank=each(exactly(1)),
        )
    ),
    control=instead(
        "a head that reads the token",
        lambda s: s.position_against_token.alone(s.roles.token_readers[:1]),
        accepted_if="A model in which 7.9 is the biggest and reads the position only.",
    ),
    version=2,
    note=f"Token swing over position step, and the rank of that step. {BY_ROLE}",
    costly=True,
)
def test_the_biggest_head_reads_position_only(subject):
    return subject.position_against_token.alone(subject.roles.biggest_inhibition)


@claim(
    "ioi/7.9-8.10-token",
    says="Only 7.9 and 8.10 care about the token, and about position almost twice as much.",
    source=DECOMPOSED,
    tier=1,
    published="almost twice",
    expect=known_roles(
        parts(ratios=each(between(1 / 3, 1 / 1.3, because=OTHER_PROMPTS)), lead=at_least(0.0))
    ),
    control=(
        instead(
            "the other S-inhibition heads",
            lambda s: s.position_against_token.token_readers(s.roles.position_readers),
            accepted_if="A model in which 7.3 and 8.6 are the ones that read the token.",
        ),
        instead(
            "their lead in position",
            lambda s: s.position_against_token.token_readers(
                s.roles.token_readers, lambda table: table.position_step
            ),
            accepted_if="A model in which these two heads are the biggest in every respect.",
        ),
    ),
    not_asserted="the document reads 'almost twice' off pictures of single heads, and such ratios "
    "of small steps move with the prompts",
    version=2,
    note="Token swing over position step of each head, about a half in the document. The lead is "
    "the smaller token swing of both less the largest of the other S-inhibition heads. Toys are "
    "left out: which of their heads would be these two is not known beforehand.",
    costly=True,
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
        "the data sets of the printed example",
        lambda s: s.position_against_token.residuals(PRINTED),
        accepted_if="Heads that do not carry the position, so that this mistake is harmless.",
    ),
    version=2,
    note="Largest residual over the range of the table. A residual below 0.02 of the clean logit "
    "difference counts as zero.",
)
def test_each_head_is_additive(subject):
    return subject.position_against_token.residuals()
