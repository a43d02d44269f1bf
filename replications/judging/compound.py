"""Expectations of several values: sequences, named parts, and rankings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

from replications.judging.base import NAN, Expectation, PartData, Verdict, all_of
from replications.judging.single import edge
from replications.judging.values import items, number, text


def _expectation(value: Any) -> Expectation:
    if not isinstance(value, Expectation):
        raise TypeError(f"expected an expectation, got {type(value).__name__} {value!r}")
    return value


@dataclass(frozen=True)
class Each(Expectation):
    """Every element of a non-empty sequence.  The sequence is one part, whatever its length."""

    inner: Expectation
    kind: ClassVar[str] = "each"

    def __str__(self) -> str:
        return f"each {self.inner}"

    def described(self, name: str = "", at: tuple[int, ...] = ()) -> tuple[PartData, ...]:
        inner = self.inner.described(name, at)
        because = self.because or self.inner.because
        if len(inner) == 1 and inner[0].at == at and not inner[0].every:
            return (replace(inner[0], every=True, words=str(self), because=because),)
        return super().described(name, at)

    def judge(self, measured: Any) -> Verdict:
        found = items(measured)
        if not found:
            return Verdict(False, NAN, "there is nothing to judge: the sequence is empty")
        judged = all_of([(f"item {i}", v, self.inner.judge(v)) for i, v in enumerate(found)])
        return replace(judged, parts=())


def each(expectation: Expectation, *, because: str = "") -> Expectation:
    """A sequence of which every element satisfies `expectation`; an empty one never holds."""
    return Each(_expectation(expectation), because=because)


@dataclass(frozen=True)
class Parts(Expectation):
    """Named parts of a mapping, each with its own expectation."""

    inner: tuple[tuple[str, Expectation], ...]
    kind: ClassVar[str] = "parts"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parts, in the order in which they were written."""
        return tuple(name for name, _ in self.inner)

    def __str__(self) -> str:
        return "; ".join(f"{name} {expectation}" for name, expectation in self.inner)

    def described(self, name: str = "", at: tuple[int, ...] = ()) -> tuple[PartData, ...]:
        named = [(f"{name} {n}".strip(), (*at, i), e) for i, (n, e) in enumerate(self.inner)]
        return tuple(part for n, place, e in named for part in e.described(n, place))

    def judge(self, measured: Any) -> Verdict:
        if not isinstance(measured, Mapping):
            raise TypeError(f"expected a mapping with {self.names}, got {type(measured).__name__}")
        missing = [n for n in self.names if n not in measured]
        extra = [n for n in measured if n not in self.names]
        if missing or extra:
            raise KeyError(f"parts differ: missing {missing}, unexpected {extra}")
        return all_of([(n, measured[n], e.judge(measured[n])) for n, e in self.inner])


def parts(*, because: str = "", **named: Expectation) -> Expectation:
    """A mapping with exactly these keys, each value judged by its own expectation."""
    if not named:
        raise ValueError("parts() needs at least one named expectation")
    return Parts(tuple((n, _expectation(e)) for n, e in named.items()), because=because)


@dataclass(frozen=True)
class Listed(Expectation):
    """A sequence judged item by item."""

    inner: tuple[Expectation, ...]
    kind: ClassVar[str] = "listed"

    def __str__(self) -> str:
        return "[" + ", ".join(str(e) for e in self.inner) + "]"

    def described(self, name: str = "", at: tuple[int, ...] = ()) -> tuple[PartData, ...]:
        named = [(f"{name} item {i}".strip(), (*at, i), e) for i, e in enumerate(self.inner)]
        return tuple(part for n, place, e in named for part in e.described(n, place))

    def judge(self, measured: Any) -> Verdict:
        found = items(measured)
        if len(found) != len(self.inner):
            raise ValueError(f"expected {len(self.inner)} items, got {len(found)}")
        pairs = enumerate(zip(self.inner, found, strict=True))
        return all_of([(f"item {i}", v, e.judge(v)) for i, (e, v) in pairs])


def listed(*expectations: Expectation, because: str = "") -> Expectation:
    """A sequence of this length, judged item by item; another length is a ValueError."""
    if not expectations:
        raise ValueError("listed() needs at least one expectation")
    return Listed(tuple(_expectation(e) for e in expectations), because=because)


@dataclass(frozen=True)
class Ranks(Expectation):
    """Some labels of a mapping have the largest values."""

    labels: tuple[str, ...]
    ordered: bool
    factor: float
    kind: ClassVar[str] = "ranks"

    def __str__(self) -> str:
        top = " > ".join(self.labels) if self.ordered else ", ".join(self.labels)
        return f"{top} > " + (f"{text(self.factor)} × others" if self.factor != 1 else "others")

    def judge(self, measured: Any) -> Verdict:
        if not isinstance(measured, Mapping):
            raise TypeError(f"expected a mapping label → number, got {type(measured).__name__}")
        missing = [label for label in self.labels if label not in measured]
        if missing:
            raise KeyError(f"labels {missing} are not among the measured {list(measured)}")
        values = {label: float(number(v)) for label, v in measured.items()}
        if not all(map(math.isfinite, values.values())):
            return Verdict(False, NAN, "some values are not finite")
        top = [values.pop(label) for label in self.labels]
        gaps = list(pairwise(top)) if self.ordered else []
        if values:
            gaps.append((min(top), max(values.values())))
        return self._verdict(gaps, max(values, key=values.__getitem__, default=""))

    def _verdict(self, gaps: list[tuple[float, float]], rival: str) -> Verdict:
        """The verdict on pairs (value that should be larger, value that should be smaller).

        `rival` is the label of the largest other value, which is in the last pair; "" for none.
        """
        if not gaps:
            raise ValueError("ranks() has nothing to compare: every label was named, unordered")
        margin = min(a - b for a, b in gaps)
        if rival:
            smallest, largest = gaps[-1]
            margin = min(margin, smallest - self.factor * largest)
        if any(a == b for a, b in gaps):  # equal values have no rank, whatever the margin says
            return Verdict(False, min(margin, 0.0), "some of the compared values are equal")
        word = "by" if margin >= 0 else "missed by"
        against = f", largest other {rival}" if rival else ""
        return Verdict(margin >= 0, margin, f"{self} {word} {math.fabs(margin):.3g}{against}")


def ranks(
    *labels: str, ordered: bool = False, factor: float = 1.0, because: str = ""
) -> Expectation:
    """A mapping label → number in which `labels` have the largest values.

    If `ordered`, their values decrease in the order given.  The smallest of them is at least
    `factor` × the largest of the others.  Equal values have no rank, so a tie never holds; its
    margin is 0.
    """
    if not labels or len(set(labels)) != len(labels):
        raise ValueError(f"ranks() needs distinct labels, got {labels}")
    if edge(factor, "factor") < 1:
        raise ValueError(f"factor must be ≥ 1, got {factor!r}")
    return Ranks(tuple(labels), ordered, float(factor), because=because)
