"""Numbers and lists as short text, shared by the closing table, CLAIMS.md and the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

DIGITS = 6
SHOWN = 4


def short(value: Any, names: Sequence[str] | None = None, shown: int = SHOWN) -> str:
    """A JSON value to six digits; of a list longer than `shown`, its ends and its length."""
    if value is None:
        return "–"
    if isinstance(value, list):
        return _short_list(value, names, shown)
    if isinstance(value, float):
        return f"{value:.{DIGITS}g}"
    return str(value)


def _short_list(values: list[Any], names: Sequence[str] | None, shown: int) -> str:
    if names and len(names) == len(values):
        return ", ".join(f"{n} {short(v)}" for n, v in zip(names, values, strict=True))
    if len(values) <= shown:
        return "[" + ", ".join(short(v) for v in values) + "]"
    return f"[{short(values[0])}, {short(values[1])}, … {short(values[-1])}] ({len(values)})"


def published(value: Any, shown: int = SHOWN) -> str:
    """The published value; "beyond" for a finding that goes beyond the document."""
    return "beyond" if value is None else short(value, shown=shown)


def clip(text: str, width: int) -> str:
    """`text`, cut to `width` characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def span(values: Sequence[Any], names: Sequence[str] | None = None) -> str:
    """The range of a value over subjects; for short lists, the range at each place."""
    if all(isinstance(v, list) for v in values):
        return _span_lists(list(values), names)
    plain = _numbers(values)
    if len(plain) < len(values):
        return clip(", ".join(dict.fromkeys(short(v) for v in values)), 60)
    return _range(plain)


def _span_lists(values: list[list[Any]], names: Sequence[str] | None) -> str:
    length = {len(v) for v in values}
    if len(length) == 1 and (names or max(length) <= SHOWN):
        places = [span(place) for place in zip(*values, strict=True)]
        if names:
            places = [f"{name} {place}" for name, place in zip(names, places, strict=True)]
        return "; ".join(places)
    return f"every value {_range(_numbers([x for v in values for x in v]))}"


def _numbers(values: Sequence[Any]) -> list[float]:
    return [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]


def _range(numbers: list[float]) -> str:
    if not numbers:
        return "–"
    lo, hi = short(min(numbers)), short(max(numbers))
    return lo if lo == hi else f"{lo} … {hi}"
