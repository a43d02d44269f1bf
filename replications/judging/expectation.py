"""The vocabulary of expectations: what a measured value must satisfy, and by how much it does.

Every word builds a frozen `Expectation`.  `judge` returns a `Verdict` with the margin, the signed
distance to the nearest edge in the unit of the value: positive inside, zero on the edge, negative
outside, NaN where there is no distance.  A value that is not finite never satisfies anything.
Standard library only.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from replications.judging.values import finite, is_sequence, items, number, text, to_json

__all__ = [
    "Expectation",
    "Verdict",
    "at_least",
    "at_most",
    "between",
    "each",
    "exactly",
    "listed",
    "near",
    "parts",
    "ranks",
    "to_json",
]

NAN = math.nan


@dataclass(frozen=True)
class Verdict:
    """Whether a value satisfies an expectation, by what margin, and why in words."""

    holds: bool
    margin: float
    why: str


@dataclass(frozen=True)
class Expectation(ABC):
    """What a value must satisfy.  `because` is the reason for the tolerance."""

    because: str = field(default="", kw_only=True)

    @abstractmethod
    def judge(self, measured: Any) -> Verdict:
        """Judge one measured value.  TypeError if it is not the kind of value judged here."""


def _edge(value: Any, name: str) -> float:
    plain = float(number(value))
    if not math.isfinite(plain):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return plain


def _tolerance(value: Any, name: str) -> float:
    plain = _edge(value, name)
    if plain <= 0:
        raise ValueError(f"{name} must be positive, got {value!r}")
    return plain


# ---- one number -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interval(Expectation):
    """A closed interval; an open side is infinite."""

    lo: float
    hi: float
    words: str

    def __str__(self) -> str:
        return self.words

    def judge(self, measured: Any) -> Verdict:
        value = number(measured)
        if not math.isfinite(value):
            return Verdict(False, NAN, f"{value} is not a finite number")
        margin = float(min(value - self.lo, self.hi - value))
        if margin >= 0:
            return Verdict(True, margin, f"{text(value)} is inside {self} by {margin:.3g}")
        return Verdict(False, margin, f"{text(value)} is outside {self} by {-margin:.3g}")


def near(
    x: float, *, abs: float | None = None, rel: float | None = None, because: str = ""
) -> Expectation:
    """Within `abs` of x, or within `rel` × |x|; exactly one tolerance, else ValueError."""
    if (abs is None) == (rel is None):
        raise ValueError("near() takes exactly one of abs= and rel=")
    centre = _edge(x, "x")
    if abs is not None:
        width, words = _tolerance(abs, "abs"), f"{text(x)} ± {text(abs)}"
    else:
        width = _tolerance(_tolerance(rel, "rel") * math.fabs(centre), "rel × |x|")
        words = f"{text(x)} ± {text(_edge(rel, 'rel') * 100)}%"
    return Interval(centre - width, centre + width, words, because=because)


def between(lo: float, hi: float, *, because: str = "") -> Expectation:
    """lo ≤ value ≤ hi."""
    if _edge(lo, "lo") > _edge(hi, "hi"):
        raise ValueError(f"between() needs lo ≤ hi, got {lo!r} and {hi!r}")
    return Interval(float(lo), float(hi), f"{text(lo)} … {text(hi)}", because=because)


def at_least(x: float, *, because: str = "") -> Expectation:
    """value ≥ x."""
    return Interval(_edge(x, "x"), math.inf, f"≥ {text(x)}", because=because)


def at_most(x: float, *, because: str = "") -> Expectation:
    """value ≤ x."""
    return Interval(-math.inf, _edge(x, "x"), f"≤ {text(x)}", because=because)


# ---- equality ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exactly(Expectation):
    """Equality with a number, a string, or a (nested) list of them."""

    value: Any

    def __str__(self) -> str:
        return f"= {text(self.value)}"

    def judge(self, measured: Any) -> Verdict:
        plain = _like(self.value, measured)
        if not finite(plain):
            return Verdict(False, NAN, f"{text(plain)} is not finite")
        if plain == self.value:
            return Verdict(True, 0.0, f"{text(plain)} is exactly that")
        scalar = isinstance(self.value, (int, float))
        margin = -math.fabs(float(plain - self.value)) if scalar else NAN
        return Verdict(False, margin, f"{text(plain)} is not {text(self.value)}")


def _like(expected: Any, measured: Any) -> Any:
    """`measured` in plain types, of the kind `expected` is; TypeError if it is another kind."""
    if isinstance(expected, str):
        if not isinstance(measured, str):
            raise TypeError(f"expected a string, got {type(measured).__name__} {measured!r}")
        return measured
    if not isinstance(expected, tuple):
        return number(measured)
    found = items(measured)
    if len(found) != len(expected):
        return tuple(_plain(v) for v in found)
    return tuple(_like(e, m) for e, m in zip(expected, found, strict=True))


def _plain(value: Any) -> Any:
    """Numbers, strings and nested sequences of them, in hashable Python types."""
    if isinstance(value, str):
        return value
    if is_sequence(value):
        return tuple(_plain(v) for v in items(value))
    return number(value)


def exactly(x: Any, *, because: str = "") -> Expectation:
    """Equal to a number, a string, or a (nested) list of numbers and strings."""
    plain = _plain(x)
    if not finite(plain):
        raise ValueError(f"x must be finite, got {x!r}")
    return Exactly(plain, because=because)


# ---- several values ---------------------------------------------------------------------------


def _all(verdicts: Sequence[tuple[str, Verdict]]) -> Verdict:
    """Holds iff all hold; margin and reason are those of the tightest (NaN is the tightest)."""
    name, worst = min(
        verdicts,
        key=lambda nv: (nv[1].holds, -math.inf if math.isnan(nv[1].margin) else nv[1].margin),
    )
    return Verdict(all(v.holds for _, v in verdicts), worst.margin, f"{name}: {worst.why}")


@dataclass(frozen=True)
class Each(Expectation):
    """Every element of a non-empty sequence."""

    inner: Expectation

    def __str__(self) -> str:
        return f"each {self.inner}"

    def judge(self, measured: Any) -> Verdict:
        found = items(measured)
        if not found:
            return Verdict(False, NAN, "there is nothing to judge: the sequence is empty")
        return _all([(f"item {i}", self.inner.judge(v)) for i, v in enumerate(found)])


def each(expectation: Expectation, *, because: str = "") -> Expectation:
    """A sequence of which every element satisfies `expectation`; an empty one never holds."""
    return Each(_expectation(expectation), because=because)


@dataclass(frozen=True)
class Parts(Expectation):
    """Named parts of a mapping, each with its own expectation."""

    inner: tuple[tuple[str, Expectation], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parts, in the order they were written."""
        return tuple(name for name, _ in self.inner)

    def __str__(self) -> str:
        return "; ".join(f"{name} {expectation}" for name, expectation in self.inner)

    def judge(self, measured: Any) -> Verdict:
        if not isinstance(measured, Mapping):
            raise TypeError(f"expected a mapping with {self.names}, got {type(measured).__name__}")
        missing = [n for n in self.names if n not in measured]
        extra = [n for n in measured if n not in self.names]
        if missing or extra:
            raise KeyError(f"parts differ: missing {missing}, unexpected {extra}")
        return _all([(name, e.judge(measured[name])) for name, e in self.inner])


def parts(*, because: str = "", **named: Expectation) -> Expectation:
    """A mapping with exactly these keys, each value judged by its own expectation."""
    if not named:
        raise ValueError("parts() needs at least one named expectation")
    return Parts(tuple((n, _expectation(e)) for n, e in named.items()), because=because)


@dataclass(frozen=True)
class Listed(Expectation):
    """A sequence judged item by item."""

    inner: tuple[Expectation, ...]

    def __str__(self) -> str:
        return "[" + ", ".join(str(e) for e in self.inner) + "]"

    def judge(self, measured: Any) -> Verdict:
        found = items(measured)
        if len(found) != len(self.inner):
            raise ValueError(f"expected {len(self.inner)} items, got {len(found)}")
        pairs = enumerate(zip(self.inner, found, strict=True))
        return _all([(f"item {i}", e.judge(v)) for i, (e, v) in pairs])


def listed(*expectations: Expectation, because: str = "") -> Expectation:
    """A sequence of the same length, judged item by item; another length is a ValueError."""
    if not expectations:
        raise ValueError("listed() needs at least one expectation")
    return Listed(tuple(_expectation(e) for e in expectations), because=because)


def _expectation(value: Any) -> Expectation:
    if not isinstance(value, Expectation):
        raise TypeError(f"expected an expectation, got {type(value).__name__} {value!r}")
    return value


@dataclass(frozen=True)
class Ranks(Expectation):
    """Some labels of a mapping have its largest values."""

    labels: tuple[str, ...]
    ordered: bool
    factor: float

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
        """`gaps` are the pairs (should be larger, should be smaller); the last meets the rest."""
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
    """A mapping label → number whose largest values are those of `labels`.

    They come in that order if `ordered`, and the smallest is ≥ `factor` × the largest other.
    Equal values have no rank, so a tie never holds (its margin is 0).
    """
    if not labels or len(set(labels)) != len(labels):
        raise ValueError(f"ranks() needs distinct labels, got {labels}")
    if _edge(factor, "factor") < 1:
        raise ValueError(f"factor must be ≥ 1, got {factor!r}")
    return Ranks(tuple(labels), ordered, float(factor), because=because)
