"""Measured values in plain Python: numbers, sequences and mappings out of whatever was measured.

Standard library only: tensors and arrays are read through `item`, `tolist` and `shape`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(getattr(value, "shape", ()))


def is_sequence(value: Any) -> bool:
    """Whether `value` is a list, a tuple, or a tensor or array with at least one axis."""
    return isinstance(value, (list, tuple)) or bool(_shape(value))


def number(value: Any) -> int | float:
    """`value` as a Python number.  Zero-dimensional tensors count; bool, None, str do not."""
    if not isinstance(value, (int, float)) and hasattr(value, "item"):
        if math.prod(_shape(value)) != 1:
            raise TypeError(f"expected one number, got {type(value).__name__} with several")
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"expected a number, got {type(value).__name__} {value!r}")
    try:
        float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    return value


def items(value: Any) -> list[Any]:
    """`value` as a list.  Tensors and arrays count; strings and mappings do not."""
    if hasattr(value, "tolist") and _shape(value):
        value = value.tolist()
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise TypeError(f"expected a sequence, got {type(value).__name__} {value!r}")
    return list(value)


def text(value: Any) -> str:
    """Short human text of a number, string or nested list of them."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(text(v) for v in value) + "]"
    return str(value) if isinstance(value, (str, int)) else f"{value:.10g}"


def to_json(measured: Any) -> Any:
    """`measured` in JSON types: a mapping becomes the list of its values.

    JSON has no NaN or infinity; they become the strings "nan", "inf" and "-inf".
    """
    if measured is None or isinstance(measured, (str, bool)):
        return measured
    if isinstance(measured, Mapping):
        return [to_json(v) for v in measured.values()]
    if is_sequence(measured):
        return [to_json(v) for v in items(measured)]
    if hasattr(measured, "item"):
        measured = measured.item()
        if isinstance(measured, bool):
            return measured
    value = number(measured)
    if math.isfinite(value):
        return value if isinstance(value, int) else float(value)
    return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")


def finite(measured: Any) -> bool:
    """Whether every number in `measured` (nested as it may be) is finite."""
    if isinstance(measured, str):
        return True
    if isinstance(measured, Mapping):
        return all(finite(v) for v in measured.values())
    if is_sequence(measured):
        return all(finite(v) for v in items(measured))
    return math.isfinite(number(measured))
