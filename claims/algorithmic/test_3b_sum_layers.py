"""What is lost without a carry, where cells look, and what layer 1 is good for."""

from __future__ import annotations

from replications.judging import at_least, at_most, between, claim, instead, parts

from . import published
from .common import SUM, figures, named, untrained

FIRST = SUM / "First pass - attention patterns, and ablations"
HALVES = tuple(published.HALVES)
CELLS = {
    "other heads at these positions": [((0, 1), "C1"), ((0, 0), "B3"), ((0, 0), "=")],
    "the third head there": [((0, 2), "C1"), ((0, 2), "B3"), ((0, 1), "=")],
    "cells that store the sum digit": [((0, 2), "C1"), ((0, 2), "C0"), ((0, 1), "=")],
}


def cells_of(name: str):
    """The control with other cells than those that tell the carries."""
    return instead(
        name,
        lambda s: s.behaviour.deleted(CELLS[name]),
        accepted_if="a model in which these cells tell the carries",
    )


@claim(
    "algorithmic/sum-delete-carry",
    says="Without a carry cell the sum digit stays and the carry is lost: cleanly for C2 alone.",
    source=SUM / 'Ablation experiments to test the "carry information" theory',
    tier=1,
    published="qualitative",
    expect={
        "sum": parts(
            kept_C2=at_least(0.99),
            accuracy_C2=between(0.4, 0.65),
            others_C2=at_least(0.99),
            kept_C1=at_least(0.99),
            accuracy_C1=between(0.4, 0.65),
            others_C1=at_most(0.99),
            kept_C0=at_least(0.99),
            accuracy_C0=between(0.4, 0.65),
            others_C0=at_most(0.99),
        )
    },
    control=(
        *(cells_of(name) for name in CELLS),
        untrained,
    ),
    note="0.0 at C1 for C2, 0.1 at B3 for C1, 0.2 at = for C0. `kept`: answers that are the sum "
    "digit or one more. `others`: the worst accuracy of the other three digits. 0.2 at = is listed "
    "as the carry of C0, but its loss costs C1 almost ten times as much.",
)
def test_the_carry_is_lost(subject):
    return subject.behaviour.deleted()


@claim(
    "algorithmic/sum-layer1-role",
    says="The heads of layer 1 look at their own position, too, and matter less than 0.1 and 0.2.",
    source=SUM / "Final summary",
    tier=2,
    published="1.0: 0.415 0.099 0.113 0.082; 1.1: 0.350 …; 1.2: 0.286 …",
    expect={"sum": named(figures(published.ITSELF, abs=1e-3), share=at_most(1.0))},
    control=(
        instead(
            "heads of layer 0",
            lambda s: s.attention.late(s.roles.early),
            accepted_if="a model whose layer 0 looks at itself",
        ),
        instead(
            "compared with 0.0",
            lambda s: s.attention.late(compared=[(0, 0)]),
            accepted_if="a model whose 0.0 matters as much as 0.1 and 0.2",
        ),
    ),
    note="Mean attention of =, C0, C1 and C2 to themselves. `share`: the largest rise in loss "
    "without a head of layer 1, over the smallest without 0.1 or 0.2. The ranking leaves out 0.0.",
)
def test_layer_1_matters_less(subject):
    return subject.attention.late()


@claim(
    "algorithmic/sum-layer1-mostly",
    says="The heads of layer 1 mostly look at their own position.",
    source=SUM / "Final summary",
    tier=2,
    published="mostly",
    expect={"sum": named({f"1.{number}": at_least(0.5) for number in range(3)})},
    control=instead(
        "heads of layer 0",
        lambda s: s.attention.mostly(s.roles.early),
        accepted_if="a model whose layer 0 looks at itself",
    ),
    not_asserted="the document's own figure has means of 0.18, 0.25 and 0.17 over =, C0, C1, C2",
)
def test_layer_1_mostly_looks_at_itself(subject):
    return subject.attention.mostly()


@claim(
    "algorithmic/sum-half-attention",
    says="Ten cells of layer 0 split their attention over one pair of digits, and none of layer 1.",
    source=FIRST,
    tier=2,
    published="0.0 at B3: 0.504 0.487; …",
    expect={"sum": named(figures(published.HALVES, abs=1e-3), smallest=at_least(0.35))},
    control=(
        instead(
            "the best cell of layer 1",
            lambda s: s.attention.best_in_layer_1(HALVES),
            accepted_if="a model that looks for digits in layer 1, too",
        ),
        instead(
            "0.0 at C2",
            lambda s: s.attention.one_cell(HALVES, (0, 0), "C2"),
            accepted_if="a model whose 0.0 looks at a pair of digits everywhere",
        ),
    ),
    note='A cell is a head at a position: "0.1@C2>3" is what 0.1 at C2 gives A3 and B3. That C1 '
    "looks at A3 or B3 in head 1.0, as the page says, fits 0.0 only.",
)
def test_cells_split_their_attention(subject):
    return subject.attention.halves(HALVES)
