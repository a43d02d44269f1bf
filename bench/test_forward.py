"""How long one forward pass of a bracket-shaped model takes.  Random weights: speed only.

Each workload is checked once before it is timed, so that a fast wrong answer is no result.
"""

from __future__ import annotations

import statistics
from typing import Any

import pytest
import torch

from replications.errors import Unsupported
from replications.systems.brackets import model
from replications.systems.brackets.data import generate

BATCHES = (1, 100, 500)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("batch", BATCHES, ids=lambda batch: f"cpu-b{batch}")
def test_forward(benchmark: Any, table: list[dict[str, Any]], batch: int) -> None:
    try:
        lens = model.open_model(model.untrained_state_dict())
    except Unsupported as reason:
        pytest.skip(str(reason))
    tokens = generate(batch, seed=0).tokens
    one_by_one = torch.cat([lens.run(row[None]).logits for row in tokens[:3]])
    torch.testing.assert_close(lens.run(tokens).logits[:3], one_by_one, atol=1e-4, rtol=1e-4)

    logits = benchmark.pedantic(
        lambda: lens.run(tokens).logits, rounds=20, iterations=1, warmup_rounds=3
    )
    assert torch.isfinite(logits).all()
    if benchmark.enabled:
        row = {
            "workload": f"forward-brackets-{batch}",
            "prompts": f"B={batch} T={tokens.shape[1]}, one thread",
            "parts": batch,
            "seconds": statistics.median(benchmark.stats.stats.data),
        }
        benchmark.extra_info.update(row)
        table.append(row)
