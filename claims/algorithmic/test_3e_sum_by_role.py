"""What the document says of addition, without cells: does it hold again?

Which head does its work at which position is a matter of one training run. Here heads and cells, a
cell being a head at a position, are found by what they do.
"""

from __future__ import annotations

from replications.judging import at_least, at_most, claim, instead, parts

from .common import SUM, also_retrained, untrained

FIRST = SUM / "First pass - attention patterns, and ablations"
UNEMBEDDING = SUM / "Unembedding matrix structure"
WITHOUT_CELLS = "the published sentence without its cells, which belong to one training run"
BESIDE = "another head at these positions"
ABOVE = "layer 1 at these positions"


@claim(
    "algorithmic/sum-one-cell-tells-a-carry",
    says="For each digit, without one cell of layer 0 the sum digit stays and the carry is lost.",
    source=SUM / 'Ablation experiments to test the "carry information" theory',
    tier=1,
    published="0.0 at C1, 0.1 at B3, 0.2 at =",
    derived=WITHOUT_CELLS,
    expect=also_retrained("sum", parts(kept=at_least(0.95), left=at_most(0.7))),
    costly=True,
    control=(
        instead(
            BESIDE,
            lambda s: s.carries.deleted(s.roles.beside_carries),
            accepted_if="a model in which two heads tell each carry together",
        ),
        instead(
            ABOVE,
            lambda s: s.carries.deleted(s.roles.above_carries),
            accepted_if="a model that finds carries in layer 1",
        ),
        untrained,
    ),
    note="Three digits, C0 to C2. `kept`: answers that are the sum digit or one more, at least. "
    "`left`: the accuracy of the digit, at most.",
)
def test_one_cell_tells_each_carry(subject):
    return subject.carries.deleted()


@claim(
    "algorithmic/sum-carry-cells-see-the-pair",
    says="The cells that tell carries split their attention over one pair of digits.",
    source=FIRST,
    tier=2,
    published="0.511 0.488; 0.479 0.512; 0.481 0.497",
    derived=WITHOUT_CELLS,
    expect=also_retrained("sum", at_least(0.35)),
    control=(
        instead(
            BESIDE,
            lambda s: s.carries.halves(s.roles.beside_carries),
            accepted_if="a model in which two heads look at each pair from one position",
        ),
        instead(
            ABOVE,
            lambda s: s.carries.halves(s.roles.above_carries),
            accepted_if="a model that looks for digits in layer 1, too",
        ),
        untrained,
    ),
    note="The smallest mean attention of the three cells to a digit of their pair.",
)
def test_carry_cells_see_both_digits(subject):
    return subject.carries.halves()


@claim(
    "algorithmic/sum-preferred-digit-tells-the-carry",
    says="Carry cells rank digits so that the one of a pair that they prefer tells the carry.",
    source=FIRST,
    tier=1,
    published="0 9 1 8 2 7 3 6 4 5",
    derived="what the published order is said to be good for",
    expect=also_retrained("sum", at_least(0.9)),
    control=(
        instead(
            BESIDE,
            lambda s: s.carries.preferred(s.roles.beside_carries),
            accepted_if="a model that finds every carry in every cell",
        ),
        instead(
            ABOVE,
            lambda s: s.carries.preferred(s.roles.above_carries),
            accepted_if="a model that finds carries in layer 1, too",
        ),
        untrained,
    ),
    note="The share of pairs of different digits of which the preferred one is at least 5 if they "
    "add up to ten or more, and smaller if not; of three cells the worst.",
)
def test_the_preferred_digit_tells_the_carry(subject):
    return subject.carries.preferred()


@claim(
    "algorithmic/sum-step-and-circles",
    says="One head of layer 0 writes a step between low and high digits, the others circles, too.",
    source=UNEMBEDDING,
    tier=2,
    published="0.0; 0.1 and 0.2",
    derived="sum-ov-directions without the printed digits",
    expect=also_retrained("sum", parts(step=at_least(0.96), circle=at_least(0.85))),
    control=(
        instead(
            "the heads exchanged",
            lambda s: s.carries.written(exchanged=True),
            accepted_if="a model in which all heads of layer 0 write steps and circles",
        ),
        untrained,
    ),
    note="`step`: 0.81 for a sine to 1. `circle`: how well a second or third vector is the first "
    "one turned by a quarter (r2), the smaller of both heads.",
)
def test_one_head_writes_a_step(subject):
    return subject.carries.written()


@claim(
    "algorithmic/sum-answers-on-a-circle",
    says="The unembedding has two directions, in which the digits stand on a circle, evenly.",
    source=UNEMBEDDING,
    tier=1,
    published="0.991; qualitative",
    derived="sum-unembedding-circle without the printed singular values",
    expect=also_retrained("sum", parts(two=at_least(0.95), step=at_most(6.0), radius=at_most(0.1))),
    control=(
        instead(
            "the embedding",
            lambda s: s.circuits.answers(s.circuits.embedding()),
            accepted_if="a model that reads digits off a circle, too",
        ),
        instead(
            "what a head of layer 0 writes",
            lambda s: s.circuits.answers(s.circuits.written(s.roles.early[2])),
            accepted_if="a model whose layer 0 writes answers",
        ),
        untrained,
    ),
    note="`step`: the largest departure of an angle from 36 degrees. `radius`: that of a radius "
    "from the mean one.",
)
def test_answers_stand_on_a_circle(subject):
    return subject.circuits.answers()


@claim(
    "algorithmic/sum-layer-0-matters-more",
    says="Heads of layer 1 matter less than the two of layer 0 that write sum digits.",
    source=SUM / "Final summary",
    tier=2,
    published="qualitative",
    expect=also_retrained("sum", at_most(1.0)),
    costly=True,
    control=(
        instead(
            "heads of layer 0 in their place",
            lambda s: s.attention.share(s.roles.early),
            accepted_if="a model that needs both heads equally",
        ),
        instead(
            "compared with the head that writes carries alone",
            lambda s: s.attention.share(compared=[s.roles.early[0]]),
            accepted_if="a model whose carries matter as much as its sum digits",
        ),
    ),
    note="The largest rise in loss without a head of layer 1, over the smallest without one of the "
    "two.",
)
def test_layer_0_matters_more(subject):
    return subject.attention.share()
