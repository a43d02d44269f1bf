"""The K-composition circuit, the default positions, and which of the two wins."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least, at_most, between, exactly, parts
from replications.models.sites import K

from .common import BOTH, FULL_QK, K_COMPOSITION, SEED_0, untrained


@claim(
    "list_update/kcomp-diagonal",
    says="Each prediction position is drawn to what attended to its own index, and to no other.",
    source=K_COMPOSITION,
    tier=1,
    published="dominant square, strong positive diagonal",
    expect={
        "seeds": parts(
            least_diagonal=at_least(
                1.0, because="trained scores are in the tens, untrained ones about 0.02"
            ),
            largest_other=at_most(0.3),
            right_rows=exactly(1.0),
        )
    },
    control=(
        instead("the OV of layer 1", lambda s: s.circuits.k_composition(writer=s.roles.copying)),
        untrained,
    ),
    note="`largest_other` is the largest ratio of an entry off the diagonal to the size of the "
    "diagonal entry of its row, and `right_rows` the share of rows whose largest entry over all "
    "numbers is on the diagonal. The QK of layer 0 in the place of layer 1's is no control: in "
    "seeds 1 to 3 its square looks the same. Longer lists are in `longer-lists`.",
)
def test_k_composition_has_a_diagonal(subject):
    return subject.circuits.k_composition()


@claim(
    "list_update/qk-default-positions",
    says="By position alone each prediction attends to its own list position.",
    source=FULL_QK,
    tier=2,
    published="qualitative",
    expect={"seeds": exactly([1, 2, 3])},
    control=(
        instead(
            "the positions before",
            lambda s: s.circuits.default_positions(earlier=s.task.format.length),
            accepted_if="a model in which the positions of newline, index and element attend "
            "to the list in order too",
        ),
        untrained,
    ),
    not_asserted=f"{SEED_0}; by position alone its first prediction attends to the new element",
)
def test_predictions_have_default_positions(subject):
    return subject.circuits.default_positions()


@claim(
    "list_update/qk-half-of-kcomp",
    says="The default scores are about half of the K-composition scores.",
    source=FULL_QK,
    tier=1,
    published="about 1/2",
    expect={group: between(0.3, 0.75) for group in BOTH},
    control=(
        instead(
            "the next list position",
            lambda s: s.circuits.default_strength(shift=1),
            accepted_if="a model that attends by default to the list position after its own",
        ),
        untrained,
    ),
    note="Ratio of the means over the diagonals. The QK circuit of layer 0 is no control: its "
    "ratio is 0.12 to 0.54, since layer 0 also attends from predictions to their list positions.",
)
def test_defaults_are_half_as_strong(subject):
    return subject.circuits.default_strength()


@claim(
    "list_update/kcomp-overwrites-default",
    says="At the updated index K-composition outweighs the default position, and only there.",
    source=FULL_QK,
    tier=2,
    published="a hypothesis",
    expect={group: parts(updated=at_least(0.99), kept=at_most(0.01)) for group in BOTH},
    control=(
        instead(
            "head 0.0 cut from the keys",
            lambda s: s.attention.override(pattern=s.composition.pattern_without(K)),
            accepted_if="a model that finds the updated index by its queries alone",
        ),
        untrained,
    ),
    note="Share of predictions whose score at the new element exceeds that at their own place.",
    not_asserted=SEED_0,
    costly=True,
)
def test_k_composition_overrides_the_default(subject):
    return subject.attention.override()
