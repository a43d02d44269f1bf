"""What is asked of a model twice is run once, and other sequences are never answered from it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from replications.lens import Lens, Run
from replications.models import put, sites
from replications.systems.algorithmic import ablation
from replications.systems.algorithmic.measure import PalindromeSubject
from replications.systems.algorithmic.task import Task


@pytest.fixture
def task(palindromes: PalindromeSubject) -> Task:
    """A task that has not run yet."""
    return Task(palindromes.lens, palindromes.task.examples)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of sequences of each run so far."""
    seen: list[int] = []
    run = Lens._run

    def counted(self: Lens, tokens: torch.Tensor, *rest: Any, **options: Any) -> Run:
        seen.append(len(tokens))
        return run(self, tokens, *rest, **options)

    monkeypatch.setattr(Lens, "_run", counted)
    return seen


def test_everything_that_is_read_comes_from_one_run(task: Task, runs: list[int]) -> None:
    task.logits()
    for layer in (0, 1):
        task.pattern((layer, 1))
        task.per_head("z", (layer, 0))
        task.scale(layer)
    task.scale(None)
    task.logits(examples=task.examples.read_at(3))
    assert len(runs) == 1


def test_an_ablation_is_run_once_however_often_it_is_asked_for(task: Task, runs: list[int]) -> None:
    task.logits()
    first = task.logits([ablation.mean(task, (0, 1), spare=(3, 4))])
    again = task.logits([ablation.mean(task, (0, 1), spare=(4, 3))])
    assert first.equal(again)
    assert len(runs) == 2
    task.logits([ablation.mean(task, (0, 1))])
    task.logits([ablation.zero(task, (0, 1))])
    task.logits([ablation.zero_at(task, (0, 1), 3)])
    assert len(runs) == 5


def test_other_sequences_and_other_edits_are_run(task: Task, runs: list[int]) -> None:
    edit = put(sites.Z(0).pick(pos=slice(1, 3)), torch.zeros(()))
    whole = task.logits([edit])
    few = task.examples.read_at(*task.examples.answered)
    assert task.logits([edit], few).equal(whole)
    assert not task.logits([put(sites.Z(0), torch.zeros(()))]).equal(whole)
    assert len(runs) == 3
