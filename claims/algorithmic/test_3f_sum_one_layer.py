"""Addition with one layer: how far the same recipe gets."""

from __future__ import annotations

from replications.judging import between, claim, instead

from .common import SUM, only_retrained, untrained


@claim(
    "algorithmic/sum-one-layer",
    says="With the same recipe one layer gets about 95 % of the digits right.",
    source=SUM,
    tier=2,
    published="around 95 %",
    expect=only_retrained("sum-one-layer", between(0.93, 0.98, because="around 95 %")),
    control=(
        instead(
            "digits without carries",
            lambda s: s.behaviour.headline("without carries")["accuracy"],
            accepted_if="a model that does not carry",
        ),
        untrained,
    ),
    note="4,000 digits of 1,000 sums. The document shipped no such model. It guesses that what is "
    "missing are carries over two digits.",
)
def test_one_layer_is_nearly_right(subject):
    return subject.behaviour.headline()["accuracy"]
