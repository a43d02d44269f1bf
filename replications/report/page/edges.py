"""The number that decides a row and the edges that it is judged by, for the number line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from replications.judging.row import Row


@dataclass(frozen=True)
class Edges:
    """A closed interval; an open side is infinite."""

    low: float
    high: float

    def margin(self, value: float) -> float:
        """The distance to the nearest edge, negative outside."""
        return min(value - self.low, self.high - value)


@dataclass(frozen=True)
class Deciding:
    """The one number of a row that its margin is about.

    `at` is the path of indices to it in the measured value, and `name` is what the claim calls it;
    both are empty for a single number.  With `every`, a list stands there that is judged by its
    worst item, and `value` is that item.
    """

    edges: Edges
    value: float
    at: tuple[int, ...] = ()
    name: str = ""
    every: bool = False

    def in_(self, measured: Any) -> float | None:
        """The comparable number of another measured value; None if it has none."""
        return _number_at(measured, self.at, self.edges, self.every)


def deciding(row: Row) -> Deciding | None:
    """The number that decides a row: of all judged parts the one with the smallest margin.

    None where the row was not judged, where its ledger does not know the edges, and where the
    margin is that of a part without edges, such as a ranking.
    """
    if row.margin is None or row.expectation is None or row.expectation["parts"] is None:
        return None
    known = [_part(part, row.measured) for part in row.expectation["parts"]]
    found = [part for part in known if part is not None]
    tightest = min(found, key=lambda d: d.edges.margin(d.value), default=None)
    if tightest is None:
        return None
    decides = math.isclose(tightest.edges.margin(tightest.value), row.margin, rel_tol=1e-9)
    return tightest if decides else None


def _part(part: Mapping[str, Any], measured: Any) -> Deciding | None:
    """One part of an expectation with its measured number; None for a part without edges."""
    if part["low"] is None and part["high"] is None:
        return None
    low = -math.inf if part["low"] is None else part["low"]
    high = math.inf if part["high"] is None else part["high"]
    edges, at = Edges(low, high), tuple(part["at"])
    value = _number_at(measured, at, edges, part["every"])
    return None if value is None else Deciding(edges, value, at, part["name"], part["every"])


def _number_at(measured: Any, at: Sequence[int], edges: Edges, every: bool) -> float | None:
    for index in at:
        if not isinstance(measured, list) or index >= len(measured):
            return None
        measured = measured[index]
    if not every:
        return _number(measured)
    return _worst(measured, edges) if isinstance(measured, list) else None


def _worst(values: Sequence[Any], edges: Edges) -> float | None:
    numbers = [_number(v) for v in values]
    plain = [n for n in numbers if n is not None]
    return min(plain, key=edges.margin, default=None) if len(plain) == len(numbers) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)
