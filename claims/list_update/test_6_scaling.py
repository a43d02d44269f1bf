"""Beyond the document: the same recipe on longer lists and more numbers."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, exactly, parts

from .common import DOCUMENT, head_0_0_cut, untrained

SCALING = DOCUMENT / "Longer lists and more numbers"


@claim(
    "list_update/longer-lists",
    says="With longer lists and more numbers K-composition and copying look the same.",
    source=SCALING,
    tier=2,
    published="implied: the set-up takes any length and range",
    expect={
        "scaling": parts(
            least_diagonal=at_least(1.0), right_rows=exactly(1.0), copying=exactly(1.0)
        )
    },
    control=(
        untrained,
        instead(
            "the circuits of the other layer",
            lambda s: s.circuits.square_and_copying(
                writer=s.roles.copying, through=(s.roles.copying, s.roles.previous)
            ),
            accepted_if="two layers with the same OV matrix",
        ),
    ),
    note="Lists of 3, 4 and 5 numbers below 50 or 100, one seed of each. The square is that of "
    "`kcomp-diagonal` and the copying that of `ov-1.0-copies`.",
    not_asserted="the document trains on one size only; with lists of 3 and of 5 of 100 numbers "
    "some prediction has its largest score elsewhere",
)
def test_larger_tasks_have_the_same_circuits(subject):
    return subject.circuits.square_and_copying()


@claim(
    "list_update/techniques-transfer",
    says="The four techniques, unchanged, each give a finding on other tasks of the family.",
    source=DOCUMENT / "General techniques",
    tier=2,
    published="advice",
    expect={"scaling": exactly(4), "seeds": exactly(4)},
    control=(head_0_0_cut, untrained),
    not_asserted="advice, not a finding; it is tried on larger tasks of the same family only",
    note="Attribution, patterns, patching and circuits: the number from each must reach 0.8, and "
    "that of its own control must not.",
    costly=True,
)
def test_the_techniques_work_elsewhere(subject):
    return subject.techniques.steps_that_survive
