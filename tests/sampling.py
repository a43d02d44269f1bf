"""The mark `sampled(n)`: `make test` runs a sample of a product, `make slow` the rest.

The cases that `make test` runs are those whose indices add up to a multiple of n. Every value of a
parameter is among them if another one has n values, and every pair of values if a third one has.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest


def leave_out(items: Iterable[pytest.Item]) -> None:
    """Mark as slow what is not in the sample of its test."""
    for item in items:
        mark = item.get_closest_marker("sampled")
        if mark is not None and _number(item) % int(mark.args[0]):
            item.add_marker(pytest.mark.slow)


def _number(item: pytest.Item) -> int:
    """The sum of the indices of an item's parameters, each among the values of its mark."""
    assert isinstance(item, pytest.Function)
    given = item.callspec.params
    return sum(_place(given, *mark.args[:2]) for mark in item.iter_markers("parametrize"))


def _place(given: Mapping[str, object], names: str | Sequence[str], values: Iterable[Any]) -> int:
    """The index of what an item was given among the values of one `parametrize`."""
    if isinstance(names, str):
        return next(i for i, value in enumerate(values) if value is given[names])
    wanted = [given[name] for name in names]
    return next(i for i, some in enumerate(values) if all(map(operator.is_, wanted, some)))
