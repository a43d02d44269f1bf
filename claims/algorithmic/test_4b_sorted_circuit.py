"""Which numbers each head copies, and which numbers look at which."""

from __future__ import annotations

from replications.judging import at_least, at_most, claim, exactly, instead, parts

from .common import SORTED, also_retrained, named, untrained

FIRST = list(range(28, 38))


def query_of(number: int):
    """The control with the favourite keys of another number."""
    return instead(
        f"query {number}",
        lambda s: s.circuits.favourites_of_25(number),
        accepted_if="a model in which every number looks three and four ahead",
    )


@claim(
    "algorithmic/sorted-ov-domains",
    says="Each head copies the numbers of its domain: 0.0 those from 28 to 37, 0.1 the others.",
    source=SORTED,
    tier=1,
    published="28 to 37; all others",
    expect={
        "sorted": parts(first=exactly(FIRST), second_outside=exactly(41), second_inside=at_most(3))
    },
    control=(
        instead(
            "the direct path",
            lambda s: s.circuits.domains_directly(),
            accepted_if="a model whose numbers predict themselves",
        ),
        instead(
            "W_QK read as such a matrix",
            lambda s: s.circuits.domains_of_keys(),
            accepted_if="a model whose numbers look at themselves",
        ),
        instead(
            "the heads exchanged",
            lambda s: s.circuits.domains_exchanged(),
            accepted_if="a model whose heads have changed places",
        ),
    ),
    note="Numbers whose own answer is the largest of their row of W_E W_OV W_U. The page names 0.1 "
    "twice; one of them must be 0.0.",
)
def test_heads_divide_the_numbers(subject):
    return subject.circuits.domains()


@claim(
    "algorithmic/sorted-next-larger",
    says="SEP looks at the smallest number, and every other query at the next larger one.",
    source=SORTED,
    tier=1,
    published="most of the time",
    expect=also_retrained("sorted", parts(SEP=at_least(0.95), others=at_least(0.8))),
    control=(
        instead(
            "the number after next",
            lambda s: s.attention.next_larger(2),
            accepted_if="a model that looks two numbers ahead",
        ),
        instead(
            "the number itself",
            lambda s: s.attention.next_larger(0),
            accepted_if="a model whose numbers look at themselves",
        ),
        instead(
            "the next smaller number",
            lambda s: s.attention.next_larger(-1),
            accepted_if="a model that sorts downwards",
        ),
        instead(
            "the largest number for SEP",
            lambda s: s.attention.next_larger(first=9),
            accepted_if="a model that sorts downwards",
        ),
    ),
    note="The share of queries with the largest weight there: SEP in 0.1, or in models trained "
    "again in the head that copies more numbers, others in either head.",
)
def test_queries_look_at_the_next_larger_number(subject):
    return subject.attention.next_larger()


@claim(
    "algorithmic/sorted-qk-25",
    says="The favourite keys of query 25 are 28 and 29, not 26.",
    source=SORTED,
    tier=2,
    published="28 and 29",
    expect={"sorted": named({"0.0": exactly([28, 29]), "0.1": exactly([28, 29])})},
    control=tuple(query_of(number) for number in (5, 20, 45)),
    note="Controls: the favourite keys of another number, as far from 25 as they are from it.",
)
def test_the_favourite_keys_of_25(subject):
    return subject.circuits.favourites_of_25()


@claim(
    "algorithmic/sorted-zero-attraction",
    says="By tokens alone, queries above 35 are drawn to very small numbers.",
    source=SORTED,
    tier=2,
    published="shown for 40; some above 35",
    expect={
        "sorted": named(
            {"share_0.0": at_least(0.5), "share_0.1": at_least(0.5)}, of_40=exactly([0, 0])
        )
    },
    control=(
        instead(
            "queries 5 to 30",
            lambda s: s.circuits.to_zero(25, range(5, 31)),
            accepted_if="a model in which all numbers are drawn to zero",
        ),
        untrained,
    ),
    note="The favourite key of 40 in both heads, and the share of 36 to 50 whose favourite key is "
    "0 or 1.",
)
def test_large_numbers_are_drawn_to_zero(subject):
    return subject.circuits.to_zero()


@claim(
    "algorithmic/sorted-position-bias",
    says="Late query positions push against very small keys, which cancels that pull.",
    source=SORTED,
    tier=2,
    published="qualitative",
    expect={
        "sorted": named(
            {
                "largest_0.1": at_most(0.0),
                "step_0.1": at_most(0.0),
                "largest_0.0": at_most(-1e-3),
            }
        )
    },
    control=(
        instead(
            "keys 20 to 24",
            lambda s: s.circuits.position_bias(range(20, 25)),
            accepted_if="a model that expects large numbers late in all lists",
        ),
        instead(
            "keys 46 to 50",
            lambda s: s.circuits.position_bias(range(46, 51)),
            accepted_if="a model in which late positions push against large keys",
        ),
    ),
    note="Mean positional score of keys 0 to 4 less that of all. For 0.1: the largest over "
    "positions 11 to 19, and the largest step. For 0.0: the largest from 14 on.",
)
def test_late_positions_push_against_small_numbers(subject):
    return subject.circuits.position_bias()


@claim(
    "algorithmic/sorted-ov-asymmetry",
    says="A number also boosts answers slightly below it and suppresses those slightly above.",
    source=SORTED,
    tier=1,
    published="qualitative",
    expect=also_retrained(
        "sorted",
        named(
            {f"below_0.{h}": at_least(0.0) for h in range(2)}
            | {f"above_0.{h}": at_most(0.0) for h in range(2)}
            | {f"share_0.{h}": at_least(0.85) for h in range(2)}
        ),
    ),
    control=(
        instead(
            "outside the domains",
            lambda s: s.circuits.asymmetry(outside=True),
            accepted_if="heads that treat all numbers alike",
        ),
        instead(
            "the direct path",
            lambda s: s.circuits.asymmetry(direct=True),
            accepted_if="a model whose direct path favours smaller numbers",
        ),
    ),
    note="Means of the rows of W_E W_OV W_U at -3 to -1 and +1 to +3, in a head's own domain; and "
    "the share of numbers for which the first is larger.",
)
def test_numbers_boost_those_below_them(subject):
    return subject.circuits.asymmetry()
