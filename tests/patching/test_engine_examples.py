"""The worked examples in the engine's docstrings are true."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from replications.patching._engine import (
    attention_batches,
    chunks,
    flops,
    plan,
    problem,
    row_table,
    streams,
)


@pytest.mark.parametrize(
    "module",
    [attention_batches, chunks, flops, plan, problem, row_table, streams],
    ids=lambda module: module.__name__.rpartition(".")[2],
)
def test_the_worked_examples_of_the_engine_are_true(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.failed == 0
    assert found.attempted > 0
