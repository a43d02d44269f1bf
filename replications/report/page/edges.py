"""The edges that the words of an expectation in a ledger name, as numbers.

A ledger keeps an expectation in words ("0.98 ± 0.01", "left ≥ 0; right ≥ 0").  What is read here is
used only if it gives the margin that the row has, so a wrong reading cannot be shown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from replications.judging.verdict import Row

_N = r"([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)"
_WORDS = {
    "at least": re.compile(f"≥ {_N}"),
    "at most": re.compile(f"≤ {_N}"),
    "between": re.compile(f"{_N} … {_N}"),
    "near": re.compile(f"{_N} ± {_N}"),
    "near rel": re.compile(f"{_N} ± {_N}%"),
    "exactly": re.compile(f"= {_N}"),
}


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

    `place` is its index in a value of several numbers, `name` what the claim calls it; both are
    empty for a single number.  With `every` a list is judged by its worst item, wherever that is.
    """

    edges: Edges
    value: float
    place: int | None = None
    name: str = ""
    every: bool = False

    def in_(self, measured: Any) -> float | None:
        """The number of another measured value that is comparable; None if there is none."""
        if not isinstance(measured, list):
            return _number(measured) if self.place is None and not self.every else None
        if self.every:
            return _worst(measured, self.edges)
        if self.place is None or self.place >= len(measured):
            return None
        return _number(measured[self.place])


def deciding(row: Row, names: Sequence[str] | None) -> Deciding | None:
    """The number that decides a row; None where its expectation is not about intervals."""
    if row.margin is None:
        return None
    found = _find(row, names)
    if found is None:
        return None
    size = max(abs(found.value), *(abs(x) for x in _finite(found.edges)), 1e-12)
    # The words carry ten digits.
    right = math.isclose(found.edges.margin(found.value), row.margin, abs_tol=1e-9 * size)
    return found if right else None


def _find(row: Row, names: Sequence[str] | None) -> Deciding | None:
    whole = _edges(row.expectation)
    if whole is not None:
        value = _number(row.measured)
        return None if value is None else Deciding(whole, value)
    if not isinstance(row.measured, list):
        return None
    if row.expectation.startswith("each "):
        edges = _edges(row.expectation.removeprefix("each "))
        value = _worst(row.measured, edges) if edges else None
        return None if edges is None or value is None else Deciding(edges, value, every=True)
    return _tightest(row, names)


def _tightest(row: Row, names: Sequence[str] | None) -> Deciding | None:
    """Of several judged numbers the one with the smallest margin."""
    labels = list(names) if names else [f"item {i}" for i in range(len(row.measured))]
    pieces = _pieces(row.expectation, names)
    if not len(pieces) == len(labels) == len(row.measured):
        return None
    found = []
    for place, (words, value) in enumerate(zip(pieces, row.measured, strict=True)):
        edges, number = _edges(words), _number(value)
        if edges is None or number is None:
            return None
        found.append(Deciding(edges, number, place, labels[place]))
    return min(found, key=lambda d: d.edges.margin(d.value), default=None)


def _pieces(words: str, names: Sequence[str] | None) -> list[str]:
    if not names:
        return words[1:-1].split(", ") if words.startswith("[") else []
    pieces = words.split("; ")
    if len(pieces) != len(names):
        return []
    return [p.removeprefix(f"{n} ") for p, n in zip(pieces, names, strict=True)]


def _edges(words: str) -> Edges | None:
    for kind, pattern in _WORDS.items():
        match = pattern.fullmatch(words)
        if match:
            return _of(kind, *map(float, match.groups()))
    return None


def _of(kind: str, first: float, second: float = 0.0) -> Edges:
    if kind == "at least":
        return Edges(first, math.inf)
    if kind == "at most":
        return Edges(-math.inf, first)
    if kind == "exactly":
        return Edges(first, first)
    if kind == "between":
        return Edges(first, second)
    width = second if kind == "near" else abs(first) * second / 100
    return Edges(first - width, first + width)


def _worst(values: list[Any], edges: Edges) -> float | None:
    numbers = [_number(v) for v in values]
    plain = [n for n in numbers if n is not None]
    return min(plain, key=edges.margin, default=None) if len(plain) == len(numbers) else None


def _number(value: Any) -> float | None:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if plain else None


def _finite(edges: Edges) -> list[float]:
    return [x for x in (edges.low, edges.high) if math.isfinite(x)]
