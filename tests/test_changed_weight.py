"""A shipped model in which one weight is 1 % larger turns the run red, and the rows are named."""

from __future__ import annotations

import safetensors.torch
import torch

from tests import changed_weight


def test_exactly_one_weight_is_changed_by_one_per_cent() -> None:
    before = {"a": torch.ones(2, 3), "b": torch.full((4,), 2.0)}
    content, name = changed_weight.change(safetensors.torch.save(before), seed=3)
    after = safetensors.torch.load(content)
    moved = [(k, i) for k in before for i in (after[k] != before[k]).view(-1).nonzero()[:, 0]]
    assert [f"{k}[{int(i)}]" for k, i in moved] == [name]
    total = sum(float((after[k] / before[k]).double().sum()) for k in before)
    assert round(total - 10, 4) == 0.01


def test_the_run_fails_and_names_what_moved() -> None:
    status, output = changed_weight.run("list_update/seed1", 0, "--no-controls")
    assert status == 1, output
    assert "changed: list_update/" in output
    assert "on seed1: the value moved from" in output
