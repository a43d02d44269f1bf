"""How far a number may move without a cause: rounding, another machine, another version."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from replications.errors import BadInput


@dataclass(frozen=True)
class Floor:
    """A change of a number up to `absolute` + `relative` × |value| is noise.

    The default `relative` is five times 2e-5, the largest difference seen between versions on the
    same weights in float32 (of the mean of one component).  The default `absolute` is one
    millionth, for values that should be zero.
    """

    relative: float = 1e-4
    absolute: float = 1e-6

    def __post_init__(self) -> None:
        if not all(0 <= x < math.inf for x in (self.relative, self.absolute)):
            raise BadInput(f"a floor is two numbers of at least 0, not {self}")

    def below(self, old: float, new: float) -> bool:
        """Whether the change is noise."""
        return abs(new - old) <= self.absolute + self.relative * max(abs(old), abs(new))

    def times(self, factor: float) -> Floor:
        """A floor that many times as high."""
        return Floor(self.relative * factor, self.absolute * factor)

    def __str__(self) -> str:
        return f"{self.absolute:g} + {self.relative:g} × |value|"


def within(old: Any, new: Any, floor: Floor) -> bool:
    """Whether every number in a value moved by noise only, and all else is equal."""
    if isinstance(old, list) and isinstance(new, list):
        same = len(old) == len(new)
        return same and all(within(a, b, floor) for a, b in zip(old, new, strict=True))
    if _number(old) and _number(new):
        return floor.below(old, new)
    return bool(old == new)


def largest_change(old: Any, new: Any) -> float | None:
    """The largest change of a number in a value, None where the two are not comparable numbers."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        sizes = [largest_change(a, b) for a, b in zip(old, new, strict=True)]
        return None if None in sizes else max((s for s in sizes if s is not None), default=0.0)
    if _number(old) and _number(new):
        size: float = abs(new - old)
        return size
    return 0.0 if old == new and old is not None else None


def multiple(old: Any, new: Any, floor: Floor) -> float:
    """How many times the floor the largest change of a number in a value is.

    0 where nothing changed, and infinite where the two are not comparable numbers.
    """
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return max((multiple(a, b, floor) for a, b in zip(old, new, strict=True)), default=0.0)
    if _number(old) and _number(new):
        allowed: float = floor.absolute + floor.relative * max(abs(old), abs(new))
        change: float = abs(new - old) / allowed
        return change
    return 0.0 if old == new else math.inf


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
