"""Random models of all problems on small sets, and the published ones where they can be had."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from replications.errors import FixtureMissing
from replications.systems import algorithmic
from replications.systems.algorithmic.data import addition, cumsum, palindrome, sorting, unique
from replications.systems.algorithmic.measure import (
    CumsumSubject,
    PalindromeSubject,
    SortedSubject,
    SumSubject,
    UniqueSubject,
)
from replications.systems.algorithmic.model import (
    CUMSUM,
    MODELS,
    PALINDROME,
    SORTED,
    SUM,
    UNIQUE,
    Model,
)
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


@pytest.fixture(scope="session")
def sums() -> SumSubject:
    """A random model on 40 sums, in float64."""
    lens = SUM.open(random_weights(SUM), dtype="float64")
    return SumSubject("random", lens, examples=addition.generate(40, 1))


@pytest.fixture(scope="session")
def lists() -> SortedSubject:
    """A random model on 30 lists, in float64."""
    lens = SORTED.open(random_weights(SORTED), dtype="float64")
    return SortedSubject("random", lens, examples=sorting.generate(30, 1))


@pytest.fixture(scope="session")
def numbers() -> CumsumSubject:
    """A random model on 40 sequences, in float64."""
    lens = CUMSUM.open(random_weights(CUMSUM), dtype="float64")
    return CumsumSubject("random", lens, examples=cumsum.generate(40, 1))


@pytest.fixture(scope="session", params=MODELS)
def published(request: pytest.FixtureRequest) -> Subject:
    """Each published model; skipped where its file cannot be reached."""
    try:
        return algorithmic.subject(request.param)
    except FixtureMissing as missing:
        pytest.skip(str(missing))
