"""A tiny random model on the toy vocabulary, shared by the tests of measurements."""

from __future__ import annotations

import pytest
import torch

from replications.lens import open_lens
from replications.systems.ioi import model
from replications.systems.ioi.data import draw, toy_tokenizer
from replications.systems.ioi.measure import IoiSubject
from replications.systems.ioi.roles import Roles
from replications.systems.ioi.task import Task
from replications.training import transformer as gpt

ROLES = Roles(
    name_mover=(1, 0),
    name_movers=((1, 0), (2, 0)),
    negative=((2, 1),),
    s_inhibition=((0, 1), (0, 0)),
    biggest_inhibition=((0, 1),),
    token_readers=((0, 0),),
    induction=((1, 1), (2, 1)),
    fuzzy=((2, 0),),
    duplicate=((0, 0),),
    previous=((0, 1), (1, 0)),
    outside=((1, 1),),
    outside_early=((1, 0),),
    outside_earliest=((0, 0),),
)


def tiny(seed: int = 2, d_mlp: int = 20) -> IoiSubject:
    """Three layers of two heads in float64, no bias zero; with seed 2 the name mover is 1.0.

    Its roles are made up, since no head of a random model fills most of them.
    """
    shape = model.shape(3, 2, 16, d_mlp)
    generator = torch.Generator().manual_seed(seed)
    weights = {
        name: weight + 0.3 * torch.randn(weight.shape, generator=generator)
        for name, weight in gpt.untrained_state_dict(shape, seed).items()
    }
    lens = open_lens(shape, weights, dtype=torch.float64)
    return IoiSubject("tiny", Task(lens, toy_tokenizer(), bos=True, sample=draw(24)), roles=ROLES)


@pytest.fixture(scope="session")
def subject() -> IoiSubject:
    return tiny()
