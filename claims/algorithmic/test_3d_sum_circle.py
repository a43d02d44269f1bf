"""The circle on which answers stand."""

from __future__ import annotations

from replications.judging import at_least, at_most, claim, instead, listed, near, parts

from . import published
from .common import SUM, also_retrained, figure, named, raw

UNEMBEDDING = SUM / "Unembedding matrix structure"
SEEDS = "a second seed of the probe moves them by less than 1 %"


@claim(
    "algorithmic/sum-unembedding-circle",
    says="The unembedding has two directions, in which the digits stand on a circle, evenly.",
    source=UNEMBEDDING,
    tier=1,
    published="13.102, 10.776, 1.513, 0.662, 0.002",
    expect={
        "sum": parts(
            values=figure(published.UNEMBEDDING, abs=2e-3),
            two=at_least(0.98),
            step=at_most(3.0),
            radius=at_most(0.05),
        )
    },
    control=(
        instead(
            "the embedding",
            lambda s: s.circuits.unembedding(s.circuits.embedding()),
            accepted_if="a model that reads digits off a circle, too",
        ),
        instead(
            "what 0.2 writes",
            lambda s: s.circuits.unembedding(s.circuits.written((0, 2))),
            accepted_if="a model whose layer 0 writes answers",
        ),
        raw,
    ),
    note="`step`: the largest departure of an angle from 36 degrees. `radius`: that of a radius "
    "from the mean one.",
)
def test_digits_stand_on_a_circle(subject):
    return subject.circuits.unembedding()


@claim(
    "algorithmic/sum-angle-readout",
    says="At the end the stream is an angle, and the nearest digit is the answer.",
    source=UNEMBEDDING,
    tier=1,
    published="qualitative",
    expect=also_retrained(
        "sum", parts(rank_two=at_least(0.99), angle=at_least(0.99), resultant=at_least(0.99))
    ),
    costly=True,
    control=(
        instead(
            "after layer 0",
            lambda s: s.readout.angles(layer=0),
            accepted_if="a model that is done after layer 0",
        ),
        instead(
            "the sum digit after layer 0",
            lambda s: s.readout.angles(layer=0, label="sum digit"),
            accepted_if="a model that stores the sum digit as the answer is stored",
        ),
        instead(
            "the third and fourth direction",
            lambda s: s.readout.angles(first=2),
            accepted_if="a model that writes its answer on two circles",
        ),
    ),
    note="Right answers by the logits of the two directions and by the angle alone; `resultant`: "
    "the mean resultant length of a digit's angles, at least.",
)
def test_the_answer_is_an_angle(subject):
    return subject.readout.angles()


@claim(
    "algorithmic/sum-probe",
    says="A probe on 0.1 and 0.2 at C2 finds A3 + B3 modulo 10 as a circle; A3 takes more.",
    source=SUM / "Linear probes",
    tier=2,
    published="7.068 3.400 0.301; 5.018 4.356 3.842",
    expect={
        "sum": named(
            {
                name: listed(*(near(v, rel=0.03) for v in values), because=SEEDS)
                for name, values in published.PROBES.items()
            },
            two_sum=at_least(0.99),
            two_digit=at_most(0.7),
        )
    },
    control=(
        instead(
            "the two probes exchanged",
            lambda s: s.probe.found("digit", "sum"),
            accepted_if="a model that stores A3 on a circle, and A3 + B3 not so",
        ),
        instead(
            "on head 0.0",
            lambda s: s.probe.found("head_0.0"),
            accepted_if="a model whose 0.0 writes sum digits",
        ),
        instead(
            "labels in another order",
            lambda s: s.probe.found("shuffled"),
            accepted_if="a probe that can learn 30,000 labels by heart",
        ),
    ),
    note="Three singular values of each probe; `two`: the share of the first two. Start and "
    "batches are drawn anew. The page does not say how often the probes are right: in 46 % (sum) "
    "and 40 % (A3) of the cases.",
)
def test_a_probe_finds_the_sum_on_a_circle(subject):
    return subject.probe.found()
