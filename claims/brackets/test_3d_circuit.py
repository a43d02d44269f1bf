"""Section 3: the circuit, stage by stage."""

from __future__ import annotations

from replications.judging.claim import claim, instead
from replications.judging.expectation import at_least

from .common import CIRCUIT, MODELS, untrained


@claim(
    "brackets/circuit-first-stage",
    says="The circuit starts with 0.0: without it the total is lost (error rate on T).",
    source=CIRCUIT / "Summary",
    tier=1,
    published="qualitative",
    expect={group: at_least(0.4) for group in MODELS},
    control=instead(
        "the worst of the other early heads",
        lambda s: s.circuit.errors_without(*s.circuit.other_early_heads),
        accepted_if="A model in which another early head is needed for the total as well.",
    ),
)
def test_without_the_elevation_head_totals_are_lost(subject):
    return subject.circuit.errors_without(subject.roles.elevation)


@claim(
    "brackets/circuit-mlp-stage",
    says="The MLP outputs at position 1 turn a wrong total into what makes 2.0 say unbalanced.",
    source=CIRCUIT / "Summary",
    tier=2,
    published="qualitative",
    expect={group: at_least(0.6) for group in MODELS},
    control=instead(
        "at position 2",
        lambda s: s.circuit.gained_from_mlps(2),
        accepted_if="A model that reads the total at position 2.",
    ),
    note="Measured as sufficiency: outputs from T strings put into balanced runs give this share "
    "of 2.0's contribution on T.  They are not necessary, see circuit-mlp-necessity.",
    costly=True,
)
def test_the_mlps_at_position_1_suffice(subject):
    return subject.circuit.gained_from_mlps(1)


@claim(
    "brackets/circuit-mlp-necessity",
    says="Without the MLP outputs at position 1, 2.0 no longer answers a wrong total.",
    source=CIRCUIT / "Summary",
    tier=2,
    published="qualitative",
    expect={group: at_least(0.6) for group in MODELS},
    control=(
        instead(
            "at position 2",
            lambda s: s.circuit.lost_without_mlps(2),
            accepted_if="A model that reads the total at position 2.",
        ),
        untrained,
    ),
    not_asserted="does not hold: replacing them costs a sixth of 2.0's contribution, because 2.0 "
    "still looks away from position 1 when the total is wrong",
)
def test_the_mlps_at_position_1_are_necessary(subject):
    return subject.circuit.lost_without_mlps()


@claim(
    "brackets/circuit-copy-stage",
    says="Head 2.0 copies the signal to position 0: its output alone turns the verdict (LDu).",
    source=CIRCUIT / "Summary",
    tier=1,
    published="qualitative",
    expect={group: at_least(5.0) for group in MODELS},
    control=(
        instead("output of head 2.1", lambda s: s.circuit.copied(s.roles.negative)),
        instead(
            "from another balanced string",
            lambda s: s.circuit.copied(s.roles.total, from_failures=False),
            accepted_if="A model that is unsure of balanced strings.",
        ),
    ),
    costly=True,
)
def test_the_total_head_copies_the_signal(subject):
    return subject.circuit.copied(subject.roles.total)
