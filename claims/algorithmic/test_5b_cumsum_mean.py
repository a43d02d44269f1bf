"""The head computes the mean so far, along one direction, and the answers lie on it."""

from __future__ import annotations

from replications.judging import at_least, at_most, between, claim, exactly, instead, listed, parts

from . import published
from .common import CUMSUM, also_retrained, figure, printed, raw_of, untrained


@claim(
    "algorithmic/cumsum-uniform-attention",
    says="The head attends to all numbers so far alike, because W_Q and W_K vanish.",
    source=CUMSUM,
    tier=1,
    published="identically zero",
    expect=also_retrained("cumsum", parts(deviation=at_most(1e-3), entries=at_most(0.01))),
    control=untrained,
    note="`deviation`: the largest of the attention from 1 / (query + 1). `entries`: the largest "
    "entry of W_Q and W_K.",
    costly=True,
)
def test_attention_is_uniform(subject):
    return subject.attention.uniform()


@claim(
    "algorithmic/cumsum-zero-query",
    says="W_Q and W_K are identically zero.",
    source=CUMSUM,
    tier=2,
    published="identically zero",
    expect=also_retrained("cumsum", exactly(0)),
    control=untrained,
    not_asserted="none of the 576 entries is exactly zero; the largest is 0.005",
    note="How many entries are not zero.",
)
def test_the_query_is_exactly_zero(subject):
    return subject.attention.not_zero()


@claim(
    "algorithmic/cumsum-cumulative-mean",
    says="After attention the stream's component along u is the mean so far, not the sum.",
    source=CUMSUM,
    tier=1,
    published="zero exceptions",
    expect=also_retrained(
        "cumsum",
        parts(r2=at_least(0.999), residual=at_most(0.005), sequences=at_most(0.05)),
    ),
    control=(
        instead(
            "the running sum",
            lambda s: s.attention.mean_so_far("sum"),
            accepted_if="a model whose attention does not divide by the number of positions",
        ),
        instead(
            "the current value",
            lambda s: s.attention.mean_so_far("value"),
            accepted_if="a head that attends to its own position alone",
        ),
        instead(
            "the stream before attention",
            lambda s: s.attention.mean_so_far("mean before attention"),
            accepted_if="sequences of equal numbers",
        ),
    ),
    note="`residual`: the largest of a line, over the range. `sequences`: how far apart 1 1 2 and "
    "1 1 2 1 1 2 are. The axes of the published scatter carry each other's labels.",
    costly=True,
)
def test_the_stream_holds_the_mean_so_far(subject):
    return subject.attention.mean_so_far()


@claim(
    "algorithmic/cumsum-order-free",
    says="Only the sum matters, not the numbers that make it.",
    source=CUMSUM,
    tier=2,
    published="qualitative",
    expect=also_retrained("cumsum", parts(permuted=at_most(1e-3), moved=at_most(0.01))),
    control=(
        instead(
            "one number raised alone",
            lambda s: s.attention.order_free("raised"),
            accepted_if="a model that is sure of all its answers",
        ),
        instead(
            "the last two numbers exchanged",
            lambda s: s.attention.order_free("exchanged"),
            accepted_if="a model that does not see the current number directly",
        ),
    ),
    note="The largest change of a probability at the last position when the other 19 numbers are "
    "put in a random order, and when one of them rises and another falls by one.",
    costly=True,
)
def test_only_the_sum_matters(subject):
    return subject.attention.order_free()


@claim(
    "algorithmic/cumsum-ov-line",
    says="W_E W_OV has one direction, on which the numbers -5 to 5 lie in a line.",
    source=CUMSUM,
    tier=1,
    published="21.200, 0.001; 10.184 8.172 … -10.013",
    expect=also_retrained(
        "cumsum",
        parts(
            values=figure([21.200, 0.001], abs=1e-3),
            second=at_most(1e-3),
            coordinates=figure(published.LINE, abs=1e-3),
            r2=at_least(0.9999),
        ),
        parts(
            values=listed(
                at_least(2.0), at_most(0.02), because="a tenth, and a thousandth, of the published"
            ),
            second=at_most(1e-3),
            coordinates=listed(
                *[at_least(1.0)] * 5,
                between(-1.0, 1.0, because="half of the published step to either side"),
                *[at_most(-1.0)] * 5,
                because="negative numbers on one side, positive ones on the other",
            ),
            r2=at_least(0.9999),
        ),
    ),
    control=(
        instead(
            "W_E alone",
            lambda s: s.circuits.line("W_E"),
            accepted_if="a model that embeds numbers in one direction already",
        ),
        instead(
            "rows in the order of the file",
            lambda s: s.circuits.line(rows="as in the file"),
            accepted_if="a file whose rows go from -5 to 5",
        ),
        instead(
            "the second direction",
            lambda s: s.circuits.line(which=1),
            accepted_if="a model that writes numbers in two directions",
        ),
        untrained,
    ),
    note="`second`: the second singular value over the first. The first direction of W_E is a line "
    "too: the head does not make it. The bounds on the ten other coordinates of models trained "
    "here were made 1 after they were measured, since no control could reject their signs alone.",
)
def test_numbers_lie_on_a_line(subject):
    return subject.circuits.line()


@claim(
    "algorithmic/cumsum-cosines",
    says="The outputs positive and negative lie along u and against it.",
    source=CUMSUM,
    tier=1,
    published="0.970, -0.958; with each other -0.949",
    expect=also_retrained(
        "cumsum",
        parts(positive=printed(0.970), negative=printed(-0.958), each_other=printed(-0.949)),
        parts(positive=at_least(0.9), negative=at_most(-0.9), each_other=at_most(-0.9)),
    ),
    control=(
        instead(
            "the second direction",
            lambda s: s.circuits.cosines(which=1),
            accepted_if="a model that reads its answers off another direction",
        ),
        instead(
            "zero in place of positive",
            lambda s: s.circuits.cosines(positive=1),
            accepted_if="a model that answers zero by a large component along u",
        ),
    ),
    note="u is the stream-side singular vector, with the sign of positive: the text announces a "
    "negative cosine and prints this one, since the sign of u is flipped in between.",
)
def test_outputs_lie_along_the_direction(subject):
    return subject.circuits.cosines()


@claim(
    "algorithmic/cumsum-cosines-zero",
    says="Both lie slightly against the output zero.",
    source=CUMSUM,
    tier=2,
    published="-0.190, -0.128",
    expect=also_retrained(
        "cumsum",
        parts(positive=printed(-0.190), negative=printed(-0.128)),
        parts(positive=between(-0.5, 0.0), negative=between(-0.5, 0.0)),
    ),
    control=(
        instead(
            "positive with negative",
            lambda s: s.circuits.cosines_with_zero(0),
            accepted_if="outputs that are as far from one another as from zero",
        ),
        raw_of("cumsum"),
    ),
)
def test_outputs_lie_against_zero(subject):
    return subject.circuits.cosines_with_zero()
