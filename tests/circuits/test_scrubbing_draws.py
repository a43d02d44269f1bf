"""Which strings are drawn, standard errors, and hypotheses that are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from replications.circuits.scrubbing import (
    Along,
    Component,
    DirectPath,
    Estimate,
    Feature,
    Output,
    Position,
    drawing,
    estimated,
    recovered_interval,
    recovered_share,
    scrub,
)
from replications.errors import BadInput
from tests import toy
from tests.circuits.test_scrubbing_explicit import ESTIMATE, TOKENS, F, network
from tests.circuits.test_scrubbing_known import STRINGS, A, B


# ---------------------------------------------------------------- drawing
def test_draws_agree_on_the_feature_and_are_uniform() -> None:
    feature = Feature("class", torch.tensor([5, 7, 5, 7, 7, 9]))
    parents = torch.tensor([0, 1, 5]).repeat(6000)
    drawn = feature.draw(parents, torch.Generator().manual_seed(0))
    assert torch.equal(feature.values[drawn], feature.values[parents])
    shares = drawn[parents == 1].bincount(minlength=6) / 6000
    assert torch.allclose(shares, torch.tensor([0, 1, 0, 1, 1, 0]) / 3, atol=0.02)
    both = Feature.both("both", [feature, Feature("half", torch.arange(6) // 3)])
    assert both.sizes.tolist() == [2, 1, 2, 1]


def test_inputs_are_drawn_apart_but_alike_in_similar_hypotheses() -> None:
    n = len(STRINGS)
    parents = drawing.references(n, 100, 0)
    tree = Output(DirectPath((1, 0), A), DirectPath((1, 1), A))
    drawn = drawing.draw(tree, parents, n, 0)
    assert not torch.equal(drawn.inputs[0].strings, drawn.inputs[1].strings)
    other = drawing.draw(Output(DirectPath((1, 0), A)), parents, n, 0)
    assert torch.equal(drawn.inputs[0].strings, other.inputs[0].strings)
    assert torch.equal(drawn.rest, other.rest)
    assert not torch.equal(drawn.rest, drawing.draw(tree, parents, n, 1).rest)


def test_standard_errors() -> None:
    values = toy.random(400)
    found = estimated(values)
    assert found.mean == pytest.approx(values.mean().item())
    assert found.error == pytest.approx(values.std().item() / 20)
    random, model = 4 + toy.random(500, seed=1), 0.1 * toy.random(500, seed=2)
    scrubbed = 1 + toy.random(500, seed=3)
    share = recovered_share(model, scrubbed, random)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(500, (4000, 500), generator=generator)
    again = (random - scrubbed)[rows].mean(1) / (random - model)[rows].mean(1)
    assert share.error == pytest.approx(again.std().item(), rel=0.1)
    interval = recovered_interval(model, scrubbed, random)
    assert interval.mean == pytest.approx(share.mean)
    assert (interval.high - interval.low) / 2 == pytest.approx(1.96 * share.error, rel=0.1)
    assert interval.low < share.mean < interval.high


# ---------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Output(Position(1, A)), "no input"),
        (lambda: Output(DirectPath((1, 0), A), DirectPath((1, 0), B)), "twice"),
        (lambda: DirectPath(0, A, Position(1, A)), "no input"),
        (lambda: Feature("x", torch.tensor([1.0, float("nan")])), "NaN"),
        (lambda: Feature("x", torch.zeros(2, 2)), "one for each string"),
        (lambda: Component((0, 0), 1, A, Along(ESTIMATE[0], A), Along(ESTIMATE[0], B)), "twice"),
    ],
)
def test_trees_that_make_no_sense(make: Callable[[], object], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        make()


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        (Output(DirectPath((2, 0), F)), "no head 2.0"),
        (Output(DirectPath((1, 3), F)), "no head 1.3"),
        (Output(DirectPath(2, F)), "no mlp2"),
        (Output(DirectPath((1, 0), A)), "not of these"),
        (Output(DirectPath((1, 0), F, Position(9, F))), "no position 9"),
        (Output(DirectPath((0, 0), F, Position(1, F, Component((0, 1), 1, F)))), "not lie before"),
        (
            Output(
                DirectPath(
                    (1, 0), F, Position(1, F, Component((0, 1), 1, F, Estimate(A.values, F)))
                )
            ),
            "a value for each",
        ),
    ],
)  # fmt: skip
def test_trees_that_do_not_fit(tree: Output, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        scrub(network(), TOKENS, {"tree": tree})
