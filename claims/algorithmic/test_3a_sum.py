"""Two numbers of four digits are added. The model, and heads taken out at single positions."""

from __future__ import annotations

from replications.judging import at_least, at_most, claim, exactly, instead, parts

from . import published
from .common import SUM, also_retrained, certainty, figures, named

FIRST = SUM / "First pass - attention patterns, and ablations"
STORING = ("B3", "=", "C0", "C1", "C2")
ARROWS = published.ARROWS


def without(position: str):
    """The control with one of the five positions counted among the others."""
    return instead(
        f"{position} left out",
        lambda s: s.behaviour.elsewhere(left_out=position),
        accepted_if=f"a model that stores nothing at {position}",
    )


@claim(
    "algorithmic/sum-headline",
    says="Every digit of the sum is right with near certainty.",
    source=SUM / "Solutions",
    tier=1,
    published="loss 0.007; mean 0.993, median 0.996, smallest 0.759",
    expect=also_retrained(
        "sum",
        certainty(0.007, 0.993, 0.996, 0.759, accuracy=exactly(1.0)),
        parts(
            loss=at_most(0.03, because="four times the published loss"),
            mean=at_least(0.97),
            median=at_least(0.98),
            smallest=at_least(0.05, because="no answer is missed altogether"),
            accuracy=at_least(0.995),
        ),
    ),
    costly=True,
    control=(
        instead(
            "sums without carries",
            lambda s: s.behaviour.headline("without carries"),
            accepted_if="a model that does not carry",
        ),
        instead(
            "carries over one digit only",
            lambda s: s.behaviour.headline("carries over one digit"),
            accepted_if="a model that carries from the digit before alone",
        ),
        instead(
            "read one position later",
            lambda s: s.behaviour.headline(late=True),
            accepted_if="a model that repeats the digit it sees",
        ),
    ),
    note="1,000 sums, seed 42. The problem page prints 0.017, 0.988 and 0.001 under this model's "
    "code: those are the numbers of the first-unique-letter model. Nothing is said about carries "
    "over two digits, which this model gets right.",
)
def test_every_digit_is_right(subject):
    return subject.behaviour.headline()


@claim(
    "algorithmic/sum-write-map",
    says="Each head of layer 0 writes what some digits need, at the position before them or at B3.",
    source=FIRST,
    tier=1,
    published="0.0: 4.213 1.364 …; 0.1: 9.273 2.361 …; 0.2: 2.752 26.02 …",
    expect={"sum": named(figures(published.WRITE_MAP, abs=1e-3, rel=1e-3))},
    control=(
        instead(
            "zero ablation",
            lambda s: s.behaviour.write_map(ARROWS, zero=True),
            accepted_if="heads that write nothing on average",
        ),
        instead(
            "heads of layer 1",
            lambda s: s.behaviour.write_map(ARROWS, layer=1),
            accepted_if="a model that does in layer 1 what it does in layer 0",
        ),
    ),
    note="The rise in the loss of a digit with a head mean-ablated at a position. 0.0: = to C0, C1 "
    "to C2, C0 to C1, B3 to C1. 0.1: = to C0, B3 to C1, C0 to C1, C1 to C2, C2 to C3. 0.2: = to "
    "C0, = to C1, C0 to C1, C1 to C2, C2 to C3.",
)
def test_heads_of_layer_0_write_what_digits_need(subject):
    return subject.behaviour.write_map(ARROWS)


@claim(
    "algorithmic/sum-five-positions",
    says="Layer 0 stores little outside B3, =, C0, C1 and C2.",
    source=FIRST,
    tier=2,
    published="no useful information anywhere else",
    expect={"sum": named({f"0.{number}": at_most(0.05) for number in range(3)})},
    control=tuple(without(position) for position in STORING),
    note="The largest rise of a loss with a head mean-ablated at one of the other nine positions, "
    "over the largest at one of the five.",
)
def test_five_positions_store_what_is_needed(subject):
    return subject.behaviour.elsewhere()


@claim(
    "algorithmic/sum-five-positions-alone",
    says="Layer 0 stores nothing useful outside B3, =, C0, C1 and C2.",
    source=FIRST,
    tier=2,
    published="nothing",
    expect={"sum": named({f"0.{number}": at_most(0.01) for number in range(3)})},
    control=instead(
        "= left out",
        lambda s: s.behaviour.outside(left_out="="),
        accepted_if="a model that stores nothing at =",
    ),
    not_asserted="the document's own figure has 0.745 for 0.1 at A1 and 0.276 for 0.2 at A1, both "
    "for C1",
    note="The largest rise of a loss, in nats.",
)
def test_nothing_is_stored_elsewhere(subject):
    return subject.behaviour.outside()
