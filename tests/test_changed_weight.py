"""A shipped model of which one weight matrix is 1 % larger turns the run red; rows are named."""

from __future__ import annotations

import pytest
import safetensors.torch
import torch

from tests import changed_weight

BEFORE = {"a": torch.ones(2, 3), "b": torch.full((4,), 2.0)}


def grown(entry: bool) -> tuple[str, dict[str, int]]:
    """What is said to be changed, and how many entries of each parameter grew by 1 %."""
    content, name = changed_weight.change(safetensors.torch.save(BEFORE), seed=3, entry=entry)
    after = safetensors.torch.load(content)
    ratio = {k: (after[k].double() / BEFORE[k]).sub(1.01).abs() < 1e-6 for k in BEFORE}
    return name, {k: int(r.sum()) for k, r in ratio.items()}


def test_one_parameter_or_one_entry_of_it_is_changed_by_one_per_cent() -> None:
    name, found = grown(entry=False)
    assert found == {k: v.numel() if k == name else 0 for k, v in BEFORE.items()}
    name, found = grown(entry=True)
    assert sum(found.values()) == found[name[0]] == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_run_fails_and_names_what_moved(seed: int) -> None:
    """A value map, an output map and the unembedding."""
    status, output = changed_weight.run("list_update/seed1", seed, "--no-controls")
    assert status == 1, output
    assert "changed: list_update/" in output
    assert "on seed1: the value moved from" in output


def test_the_same_seed_draws_the_same_weight_in_every_process() -> None:
    assert changed_weight.change(safetensors.torch.save(BEFORE), seed=3)[1] == "a"
