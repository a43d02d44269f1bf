"""How long one forward pass of a bracket-shaped model takes.  Random weights: speed only.

Each workload is checked once before it is timed, so that a fast wrong answer is no result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from replications.brackets import model
from replications.brackets.data import generate

BATCHES = (1, 100, 500)
Benchmark = Callable[..., Any]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("batch", BATCHES, ids=lambda batch: f"cpu-b{batch}")
def test_forward(benchmark: Benchmark, batch: int) -> None:
    lens = model.open_model(model.untrained_state_dict())
    tokens = generate(batch, seed=0).tokens
    one_by_one = torch.cat([lens.run(row[None]).logits for row in tokens[:3]])
    torch.testing.assert_close(lens.run(tokens).logits[:3], one_by_one, atol=1e-4, rtol=1e-4)

    logits = benchmark.pedantic(
        lambda: lens.run(tokens).logits, rounds=20, iterations=1, warmup_rounds=3
    )
    assert torch.isfinite(logits).all()
