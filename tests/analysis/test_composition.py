"""Composition scores on random weights and on matrices with known scores."""

from __future__ import annotations

import pytest
import torch

from replications.analysis import composition
from replications.errors import BadInput
from tests.systems.name_recall.conftest import EXACT


def test_random_matrices_compose_as_the_baseline_says() -> None:
    # For wide matrices the score tends to 1 / sqrt(rank of the product's middle).
    generator = torch.Generator().manual_seed(5)
    pair = [composition.random(64, 16, generator) for _ in range(2)]
    assert composition.score(*pair) == pytest.approx(composition.baseline(64, 16), rel=0.1)
    assert composition.score(torch.eye(9), torch.eye(9)) == pytest.approx(1 / 3)


def test_a_head_composes_through_queries_keys_or_values(subject: NameRecallSubject) -> None:
    network = as_network(subject.lens)
    Q, K = (composition.reading(network, (1, 0), name) for name in ("Q", "K"))
    assert (Q - K.T).abs().max() < EXACT
    V = composition.reading(network, (1, 0), "V")
    assert V.equal(composition.writing(network, (1, 0)))
    with pytest.raises(BadInput, match="through Q, K or V"):
        composition.reading(network, (1, 0), "O")  # type: ignore[arg-type]
