"""What the document says of sorting, without single numbers: does it hold again?

Which numbers belong to which head is a matter of one training run. Here heads are found by what
they do: the *domain* is the numbers that the head with fewer of them copies.
"""

from __future__ import annotations

from replications.judging import at_least, at_most, claim, exactly, instead, parts

from .common import SORTED, also_retrained, untrained

WITHOUT_NUMBERS = "the published sentence without its numbers, which belong to one training run"


@claim(
    "algorithmic/sorted-one-band",
    says="One head copies a band of numbers, and the other head all others.",
    source=SORTED,
    tier=1,
    published="28 to 37; all others",
    derived=WITHOUT_NUMBERS,
    expect=also_retrained("sorted", parts(once=at_least(43), bands=exactly(1))),
    control=(
        instead(
            "W_QK read as such a matrix",
            lambda s: s.circuits.divided(of_keys=True),
            accepted_if="a model whose numbers look at themselves",
        ),
        instead(
            "the heads exchanged",
            lambda s: s.circuits.divided(exchanged=True),
            accepted_if="a model whose heads have the small and the large numbers",
        ),
        untrained,
    ),
    note="Numbers whose own answer is the largest of their row of W_E W_OV W_U. `once`: those of "
    "51 that one head alone copies. `bands`: runs of neighbours that the head with fewer copies.",
)
def test_one_head_has_a_band(subject):
    return subject.circuits.divided()


@claim(
    "algorithmic/sorted-larger-domain-matters",
    says="The head that copies more numbers matters far more.",
    source=SORTED,
    tier=1,
    published="5.39",
    derived="4.963 over 0.920, with heads found by what they do",
    expect=also_retrained("sorted", at_least(2.0)),
    costly=True,
    control=instead(
        "targets in the domain of the other",
        lambda s: s.behaviour.without_larger(s.roles.domain),
        accepted_if="heads that do not divide the numbers among themselves",
    ),
    note="The rise in loss with it mean-ablated, over that with the other mean-ablated.",
)
def test_the_larger_domain_matters_more(subject):
    return subject.behaviour.without_larger()


@claim(
    "algorithmic/sorted-gaps",
    says="Small gaps to the next number are crossed and large ones are not.",
    source=SORTED,
    tier=1,
    published="probabilities of 0.004 and 0.051 after gaps of 40 and 25",
    derived=WITHOUT_NUMBERS,
    expect=also_retrained("sorted", parts(near=at_least(0.9), far=at_most(0.1))),
    costly=True,
    control=(
        instead(
            "gaps of 20 to 28 as small ones",
            lambda s: s.behaviour.crossed(near=range(20, 29)),
            accepted_if="a model that looks 28 numbers ahead",
        ),
        instead(
            "gaps of 5 to 15 as large ones",
            lambda s: s.behaviour.crossed(far=range(5, 16)),
            accepted_if="a model that cannot look 5 numbers ahead",
        ),
        untrained,
    ),
    note="The accuracy after x on all lists x, x + g, …, x + g + 8, with g of 1 to 10, and of 30 "
    "and more.",
)
def test_large_gaps_are_not_crossed_again(subject):
    return subject.behaviour.crossed()


@claim(
    "algorithmic/sorted-drawn-down",
    says="By tokens alone, some large numbers are drawn to very small ones.",
    source=SORTED,
    tier=2,
    published="shown for 40; some above 35",
    derived=WITHOUT_NUMBERS,
    expect=also_retrained("sorted", at_least(8)),
    control=instead(
        "numbers 5 to 25",
        lambda s: s.circuits.drawn_down(range(5, 26)),
        accepted_if="a model in which all numbers are drawn to small ones",
    ),
    note="How many of the numbers 26 to 50 have one of 0 to 4 as their favourite key, in the head "
    "in which there are more.",
)
def test_some_large_numbers_are_drawn_down(subject):
    return subject.circuits.drawn_down()


@claim(
    "algorithmic/sorted-push-grows",
    says="The later a query position is, the more it pushes against very small keys.",
    source=SORTED,
    tier=2,
    published="qualitative",
    expect=also_retrained("sorted", parts(trend=at_most(-0.7), at_end=at_most(-0.5))),
    control=(
        instead(
            "keys 20 to 24",
            lambda s: s.circuits.push(range(20, 25)),
            accepted_if="a model that expects large numbers late in all lists",
        ),
        instead(
            "keys 46 to 50",
            lambda s: s.circuits.push(range(46, 51)),
            accepted_if="a model in which late positions push against large keys",
        ),
        untrained,
    ),
    note="Mean positional score of keys 0 to 4 less that of all, in the head in which it is "
    "larger. `trend`: its correlation with the position, 11 to 19. `at_end`: its mean over the "
    "last five, in units of the mean size of positional scores.",
)
def test_late_positions_push_more(subject):
    return subject.circuits.push()
