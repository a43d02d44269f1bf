"""The numbers that were printed for the document's own 25 prompts.

The sentences come from a public generator whose recipe is followed to the word
(`replications.systems.ioi.data.document`), so these numbers must come out again. No opening token
stands before the prompts.
"""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import listed, near, parts

from .common import BACKUP, GPT2, RUNS, SIGNALS

SINGLE = (2.4403, 6.5408, 3.3345, 1.1972, 3.0530)
SINGLE_ABC = (-2.4177, 6.1583, -1.7351, -4.2358, 0.1968)

opened = instead(
    "after an opening token",
    lambda s: s.opened.printed.numbers,
    accepted_if="A model that reads a prompt as it would in the middle of a text.",
)


def printed(value: float):
    return near(value, abs=5e-4, because=RUNS)


@claim(
    "ioi/printed-self-repair",
    says="Clean, attributed to 9.9, naive and ablated logit differences are those printed.",
    source=BACKUP,
    tier=1,
    published=[2.8052, 1.7086, 1.0966, 2.6290],
    expect={
        GPT2: parts(
            clean=printed(2.8052),
            attribution=printed(1.7086),
            naive=printed(1.0966),
            ablated=printed(2.6290),
        )
    },
    control=(
        opened,
        instead(
            "zero in place of the mean",
            lambda s: s.printed.zero_ablated,
            accepted_if="A name mover whose mean output on ABC prompts says nothing of any name.",
        ),
    ),
    no_lesion="the weights of GPT-2 small are needed: no other model has these numbers",
)
def test_the_four_printed_numbers(subject):
    return subject.printed.numbers


@claim(
    "ioi/printed-abc",
    says="On ABC prompts the logit difference of the same two names is the printed one.",
    source=SIGNALS,
    tier=2,
    published=-0.7699,
    expect={GPT2: printed(-0.7699)},
    control=(
        instead(
            "after an opening token",
            lambda s: s.opened.name_movers.on_abc,
            accepted_if="A model that reads a prompt as it would in the middle of a text.",
        ),
        instead(
            "names flipped by another seed",
            lambda s: s.printed.on_other_names,
            accepted_if="A model that does not look at the three names of ABC prompts.",
        ),
    ),
)
def test_the_printed_number_on_abc_prompts(subject):
    return subject.name_movers.on_abc


@claim(
    "ioi/printed-prompts",
    says="The first five prompts have the printed logit differences, and so have their partners.",
    source=SIGNALS,
    tier=2,
    published=[*SINGLE, *SINGLE_ABC],
    expect={GPT2: listed(*map(printed, (*SINGLE, *SINGLE_ABC)))},
    control=(
        instead(
            "after an opening token",
            lambda s: s.opened.printed.single,
            accepted_if="A model that reads a prompt as it would in the middle of a text.",
        ),
        instead(
            "the five that come after them",
            lambda s: s.printed.next_five,
            accepted_if="A model whose answer is equally sure in every prompt.",
        ),
    ),
    note="Ten numbers that show whether a run has the right prompts, tokens and weights.",
)
def test_the_first_five_prompts(subject):
    return subject.printed.single
