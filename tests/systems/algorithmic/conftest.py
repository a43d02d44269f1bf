"""Random models of both problems on small sets, and the published ones where they can be had."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.errors import FixtureMissing
from replications.systems import algorithmic
from replications.systems.algorithmic.data import palindrome, unique
from replications.systems.algorithmic.measure import PalindromeSubject, UniqueSubject
from replications.systems.algorithmic.model import PALINDROME, UNIQUE, Model
from replications.systems.algorithmic.subjects import Subject


def random_weights(model: Model, seed: int = 0) -> dict[str, Tensor]:
    """Weights far from the start of training: large, with biases and LayerNorms that matter."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: 3 * w + 0.3 * torch.randn(w.shape, generator=generator)
        for name, w in model.untrained(seed).items()
    }


@pytest.fixture(scope="session")
def palindromes() -> PalindromeSubject:
    """A random classifier on 60 sequences, in float64."""
    lens = PALINDROME.open(random_weights(PALINDROME), dtype="float64")
    return PalindromeSubject("random", lens, examples=palindrome.generate(60, 1))


@pytest.fixture(scope="session")
def letters() -> UniqueSubject:
    """A random model on 40 sequences, in float64."""
    lens = UNIQUE.open(random_weights(UNIQUE), dtype="float64")
    return UniqueSubject("random", lens, examples=unique.generate(40, 1))


@pytest.fixture(scope="session", params=["palindrome", "unique"])
def published(request: pytest.FixtureRequest) -> Subject:
    """Each published model; skipped where its file cannot be reached."""
    try:
        return algorithmic.subject(request.param)
    except FixtureMissing as missing:
        pytest.skip(str(missing))
