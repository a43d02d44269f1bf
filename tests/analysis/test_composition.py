"""Composition scores on random weights and on matrices with known scores."""

from __future__ import annotations

import pytest
import torch

from replications.analysis import composition
from replications.errors import BadInput
from tests.random_models import network

EXACT = 1e-9


def test_random_matrices_compose_as_the_baseline_says() -> None:
    generator = torch.Generator().manual_seed(5)
    pair = [composition.random(64, 16, generator) for _ in range(2)]
    assert composition.score(*pair) == pytest.approx(composition.baseline(64, 16), rel=0.1)


def test_scores_of_known_matrices() -> None:
    assert composition.score(torch.eye(9), torch.eye(9)) == pytest.approx(1 / 3)
    first, second = torch.diag(torch.tensor([1.0, 0.0])), torch.diag(torch.tensor([0.0, 1.0]))
    assert composition.score(first, second) == 0
    assert composition.score(3 * first, -2 * first) == pytest.approx(1)
    assert composition.score(torch.zeros(2, 2), first) == 0


@pytest.mark.parametrize("name", ["gpt", "attention_only", "shortformer"])
def test_a_head_composes_through_queries_keys_or_values(name: str) -> None:
    model = network(name)
    Q, K = (composition.reading(model, (1, 0), through) for through in ("Q", "K"))
    assert (Q - K.T).abs().max() < EXACT
    V = composition.reading(model, (1, 0), "V")
    assert V.equal(composition.writing(model, (1, 0)))
    with pytest.raises(BadInput, match="through Q, K or V"):
        composition.reading(model, (1, 0), "O")  # type: ignore[arg-type]


def test_layernorm_is_folded_into_what_a_head_reads() -> None:
    model = network("gpt")
    x, y = torch.randn(2, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert model.ln1_w is not None

    def normed(v: torch.Tensor) -> torch.Tensor:
        """LayerNorm without its bias and scale."""
        assert model.ln1_w is not None
        return (v - v.mean()) * model.ln1_w[1]

    expected = (normed(x) @ model.W_Q[1, 2]) @ (normed(y) @ model.W_K[1, 2])
    found = x @ composition.reading(model, (1, 2), "Q") @ y
    assert found.item() == pytest.approx(expected.item())
    written = normed(x) @ model.W_V[1, 2] @ model.W_O[1, 2]
    assert (x @ composition.writing(model, (1, 2)) - written).abs().max() < EXACT
