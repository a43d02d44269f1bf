"""How much of the logit difference the published circuit of 26 heads keeps, by template."""

from __future__ import annotations

from replications.judging.claim import Source, claim, instead
from replications.judging.expectation import at_most
from replications.systems.ioi.measurements.faithfulness import CIRCUIT

from .published import NO_ATTENTION_TO_BOS, expected

AUTO_CIRCUIT = Source("auto-circuit, tests", "https://github.com/UFO-101/auto-circuit")
WITHOUT_0_10 = {at: tuple(h for h in heads if h != (0, 10)) for at, heads in CIRCUIT.items()}
ONE = (0,)
"""A control is measured on one template."""


@claim(
    "ioi/published-circuit",
    says="Alone, the circuit keeps the printed share of the logit difference on every template.",
    source=AUTO_CIRCUIT / "tests/test_experiment_utils.py @ 98db58c",
    tier=1,
    published="60 percentages",
    expect=expected(
        at_most(0.01, because="its tests assert the numbers of the paper's code to it")
    ),
    control=(
        instead(
            "after a token that opens the text",
            lambda s: s.published.circuit_percent(ONE, bos=True),
            accepted_if=NO_ATTENTION_TO_BOS,
        ),
        instead(
            "heads of the circuit kept at every position",
            lambda s: s.published.circuit_percent(ONE, everywhere=True),
            accepted_if="A model in which these heads write at one position only.",
        ),
        instead(
            "without head 0.10",
            lambda s: s.published.circuit_percent(ONE, circuit=WITHOUT_0_10),
            accepted_if="A model in which 0.10 does nothing for the task.",
        ),
    ),
    no_lesion="the weights of GPT-2 small are needed: no other model has these numbers",
    note="In per cent: the largest distance from the printed values. 15 templates, both orders of "
    "the names, with an opening token (mean 86.2 and 125.5) and without (79.0 and 119.0). The 87 % "
    "of the paper is a mean over templates near 80 % and near 120 %.",
)
def test_what_the_circuit_keeps(subject):
    return subject.published.circuit_percent()
