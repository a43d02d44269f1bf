"""A tiny random model on the toy vocabulary, shared by the tests of measurements."""

from __future__ import annotations

import pytest
import torch

from replications.lens import open_lens
from replications.systems.ioi import model
from replications.systems.ioi.data import toy_tokenizer
from replications.systems.ioi.measure import IoiSubject
from replications.systems.ioi.task import Task
from replications.training import transformer as gpt


def tiny(seed: int = 2, d_mlp: int = 20) -> IoiSubject:
    """Three layers of two heads in float64, no bias zero; with seed 2 the name mover is 1.0."""
    shape = model.shape(3, 2, 16, d_mlp)
    generator = torch.Generator().manual_seed(seed)
    weights = {
        name: weight + 0.3 * torch.randn(weight.shape, generator=generator)
        for name, weight in gpt.untrained_state_dict(shape, seed).items()
    }
    lens = open_lens(shape, weights, dtype=torch.float64)
    return IoiSubject("tiny", Task(lens, toy_tokenizer(), bos=True, n=24))


@pytest.fixture(scope="session")
def subject() -> IoiSubject:
    return tiny()
