"""How cells rank digits, and what heads write about them."""

from __future__ import annotations

from replications.judging import at_least, at_most, claim, each, exactly, instead

from . import published
from .common import SUM, figure, figures, named, raw, untrained

FIRST = SUM / "First pass - attention patterns, and ablations"
REVERSED = ["0.1@=", "0.1@C0", "0.2@C0", "0.2@C1", "0.2@C2"]
OTHERS = ["0.0@=", "0.0@C0", "0.2@B3", "0.0@=", "0.0@C0"]


@claim(
    "algorithmic/sum-carry-hierarchy",
    says="The carry cells rank the digits 0 9 1 8 2 7 3 6 4 5: the top one of a pair tells it all.",
    source=FIRST,
    tier=1,
    published="0.0 at C1: 0.153 0.127 …; 0.1 at B3: 0.198 …; 0.2 at =: 0.159 …",
    expect={
        "sum": named(
            figures(published.HIERARCHY, abs=1e-3),
            orders=exactly(["0918273645", "0918273654", "0918273645"]),
        )
    },
    control=(
        instead(
            "other cells of layer 0",
            lambda s: s.circuits.hierarchy(["0.0@=", "0.2@B3", "0.0@C0"]),
            accepted_if="a model that finds every carry in every cell",
        ),
        instead(
            "a cell of the sum digit",
            lambda s: s.circuits.hierarchy(["0.2@C0"] * 3),
            accepted_if="a model that finds sum digits by the same hierarchy",
        ),
        instead(
            "layer 1",
            lambda s: s.circuits.hierarchy(["1.0@C1", "1.1@B3", "1.2@="]),
            accepted_if="a model that finds carries in layer 1, too",
        ),
    ),
    note="Scores of tokens, centred and divided by the sum of their sizes. 0.1 at B3 has 4 and 5 "
    "exchanged. The page once writes the carry into C_i as A_{i-1} + B_{i-1}; it is that of i + 1.",
)
def test_carry_cells_rank_the_digits(subject):
    return subject.circuits.hierarchy()


@claim(
    "algorithmic/sum-reverse-hierarchy",
    says="Five cells that store the sum digit rank the digits the other way round.",
    source=FIRST,
    tier=2,
    published="qualitative",
    expect={"sum": named({cell: at_most(-0.8) for cell in REVERSED})},
    control=instead(
        "cells without use",
        lambda s: s.circuits.taus(OTHERS, REVERSED),
        accepted_if="a model in which these cells store sum digits",
    ),
    note="Kendall's tau with the hierarchy of the carry cells.",
)
def test_sum_cells_rank_digits_in_reverse(subject):
    return subject.circuits.taus(REVERSED)


@claim(
    "algorithmic/sum-reverse-hierarchy-of-0.1",
    says="So do 0.1 at C1 and at C2, which are said to store the sum digit, too.",
    source=FIRST,
    tier=2,
    published="filed under sum",
    expect={"sum": named({cell: at_most(-0.8) for cell in ("0.1@C1", "0.1@C2")})},
    control=instead(
        "cells without use",
        lambda s: s.circuits.taus(OTHERS[:2], ["0.1@C1", "0.1@C2"]),
        accepted_if="a model in which these cells store sum digits",
    ),
    not_asserted="both follow the hierarchy of the carry cells (tau 0.96): with 0.2, which ranks "
    "in reverse, they see both digits",
    note="Kendall's tau with the hierarchy of the carry cells.",
)
def test_0_1_ranks_digits_in_reverse(subject):
    return subject.circuits.taus(["0.1@C1", "0.1@C2"])


@claim(
    "algorithmic/sum-ov-directions",
    says="0.0 writes carries, on one direction; 0.1 and 0.2 write sum digits, too, on a circle.",
    source=SUM / "Unembedding matrix structure",
    tier=2,
    published="0.0: 0.105 0.068 …; 0.1: 0.208 0.083 …; 0.2: 0.175 0.072 …",
    expect={
        "sum": named(
            figures(published.WRITES, abs=1e-3),
            vector=figure(published.STEP, abs=1e-3),
            low=each(exactly("01234")),
            step=at_least(0.96),
            **{"circle_0.1": at_least(0.9), "circle_0.2": at_least(0.9)},
        )
    },
    control=(
        instead(
            "a step in 0.1",
            lambda s: s.circuits.directions((0, 1), ((0, 0), (0, 0))),
            accepted_if="a model whose heads of layer 0 have changed places",
        ),
        instead(
            "a step in 0.2",
            lambda s: s.circuits.directions((0, 2), ((0, 0), (0, 0))),
            accepted_if="a model whose heads of layer 0 have changed places",
        ),
        raw,
        untrained,
    ),
    note="Singular values of W_E W_OV over digits. `vector`: the first one of 0.0; `low`: digits "
    "with one sign in the first vector of each head, which is no evidence: all three have it.",
)
def test_heads_write_a_step_and_circles(subject):
    return subject.circuits.directions()
