"""Expectations of one value: an interval, or equality."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from replications.judging.base import NAN, Expectation, Verdict
from replications.judging.values import finite, is_sequence, items, number, text


def edge(value: Any, name: str) -> float:
    """`value` as a finite float, ValueError if it is not finite."""
    plain = float(number(value))
    if not math.isfinite(plain):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return plain


def _tolerance(value: Any, name: str) -> float:
    plain = edge(value, name)
    if plain <= 0:
        raise ValueError(f"{name} must be positive, got {value!r}")
    return plain


# ---- intervals --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interval(Expectation):
    """A closed interval; an open side is infinite."""

    lo: float
    hi: float
    words: str
    kind: ClassVar[str] = "interval"

    def __str__(self) -> str:
        return self.words

    @property
    def edges(self) -> tuple[float | None, float | None]:
        low, high = (x if math.isfinite(x) else None for x in (self.lo, self.hi))
        return low, high

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
    """x - w ≤ value ≤ x + w, where w is `abs` or `rel` × |x|.

    ValueError unless exactly one tolerance is given and it is positive.
    """
    if (abs is None) == (rel is None):
        raise ValueError("near() takes exactly one of abs= and rel=")
    centre = edge(x, "x")
    if abs is not None:
        width, words = _tolerance(abs, "abs"), f"{text(x)} ± {text(abs)}"
    else:
        width = _tolerance(_tolerance(rel, "rel") * math.fabs(centre), "rel × |x|")
        words = f"{text(x)} ± {text(edge(rel, 'rel') * 100)}%"
    return Interval(centre - width, centre + width, words, because=because)


def between(lo: float, hi: float, *, because: str = "") -> Expectation:
    """lo ≤ value ≤ hi."""
    if edge(lo, "lo") > edge(hi, "hi"):
        raise ValueError(f"between() needs lo ≤ hi, got {lo!r} and {hi!r}")
    return Interval(float(lo), float(hi), f"{text(lo)} … {text(hi)}", because=because)


def at_least(x: float, *, because: str = "") -> Expectation:
    """value ≥ x."""
    return Interval(edge(x, "x"), math.inf, f"≥ {text(x)}", because=because)


def at_most(x: float, *, because: str = "") -> Expectation:
    """value ≤ x."""
    return Interval(-math.inf, edge(x, "x"), f"≤ {text(x)}", because=because)


# ---- equality ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exactly(Expectation):
    """Equality with a number, a string, or a (nested) list of them."""

    value: Any
    kind: ClassVar[str] = "exactly"

    def __str__(self) -> str:
        return f"= {text(self.value)}"

    @property
    def edges(self) -> tuple[float | None, float | None]:
        number_only = self.value if isinstance(self.value, (int, float)) else None
        return number_only, number_only

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
    """`measured` in plain types, of the kind that `expected` is; TypeError for another kind."""
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
    """value = x, for a number, a string, or a (nested) list of numbers and strings."""
    plain = _plain(x)
    if not finite(plain):
        raise ValueError(f"x must be finite, got {x!r}")
    return Exactly(plain, because=because)
