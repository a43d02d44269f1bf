"""The number line of a claim: its value beside the edges, the control and the published value.

With two edges, the accepted range is the middle half of the line.  One edge has no scale of its
own, so the line then runs from the control, which was rejected, to the value.  Where there is
neither, no line is drawn and the margin is given as a number alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from replications.judging.row import Row
from replications.report.board import Line
from replications.report.page.edges import Deciding, Edges, deciding
from replications.report.text import short

WIDTH = 132.0
"""Length of the line in units of the drawing."""
INSET = 8.0
"""Room at each end for values that lie beyond it."""


@dataclass(frozen=True)
class Mark:
    """A place on the line; `beyond` is -1 (or 1) for a value left (or right) of its ends."""

    x: float
    beyond: int = 0


@dataclass(frozen=True)
class Scale:
    """A drawn number line: places in units of the drawing, and a description in words."""

    start: float
    end: float
    values: tuple[Mark, ...]
    published: Mark | None
    control: Mark | None
    words: str


def scale(line: Line) -> Scale | None:
    """The number line of a claim; None where the claim gives no scale to draw it on."""
    row = line.shown
    found = deciding(row) if row is not None else None
    if row is None or found is None:
        return None
    same = [r for r in line.main if r.expectation == row.expectation]
    values = [v for v in (found.in_(r.measured) for r in same) if v is not None]
    control = _control(row, found)
    published = found.in_(line.entry["published"])
    ends = _ends(found.edges, values, control, published)
    if ends is None:
        return None
    return _drawn(found, ends, values, control, published)


def _control(row: Row, found: Deciding) -> float | None:
    """The value of the control that came nearest to the edge; None if it lies inside.

    A control that lies inside was rejected for another of its numbers, which this line does not
    show.
    """
    given = [found.in_(result.measured) for result in row.controls or ()]
    values = [v for v in given if v is not None]
    nearest = max(values, key=found.edges.margin, default=None)
    return nearest if nearest is not None and found.edges.margin(nearest) < 0 else None


def _ends(
    edges: Edges, values: Sequence[float], control: float | None, published: float | None
) -> tuple[float, float] | None:
    width = edges.high - edges.low
    if math.isfinite(width):
        return (edges.low - width / 2, edges.high + width / 2) if width > 0 else None
    if control is None:
        return None
    edge = edges.low if math.isfinite(edges.low) else edges.high
    points = [edge, control, *values]
    low, high = min(points), max(points)
    if published is not None and 2 * low - high <= published <= 2 * high - low:
        # Not so far off that everything else would be squeezed together.
        low, high = min(low, published), max(high, published)
    return low, high


def _drawn(
    found: Deciding,
    ends: tuple[float, float],
    values: Sequence[float],
    control: float | None,
    published: float | None,
) -> Scale:
    low, high = ends
    edges = found.edges
    return Scale(
        start=_mark(max(edges.low, low), ends).x if math.isfinite(edges.low) else 0.0,
        end=_mark(min(edges.high, high), ends).x if math.isfinite(edges.high) else WIDTH,
        values=tuple(_mark(v, ends) for v in values),
        published=None if published is None else _mark(published, ends),
        control=None if control is None else _mark(control, ends),
        words=_words(found, values, control, published),
    )


def _mark(value: float, ends: tuple[float, float]) -> Mark:
    low, high = ends
    beyond = (value > high) - (value < low)
    share = (min(max(value, low), high) - low) / (high - low)
    place = {-1: INSET / 2, 0: INSET + share * (WIDTH - 2 * INSET), 1: WIDTH - INSET / 2}[beyond]
    return Mark(round(place, 2), beyond)


def _words(
    found: Deciding, values: Sequence[float], control: float | None, published: float | None
) -> str:
    edges = found.edges
    if math.isfinite(edges.low) and math.isfinite(edges.high):
        accepted = f"{short(edges.low)} to {short(edges.high)}"
    else:
        low = math.isfinite(edges.low)
        accepted = f"at least {short(edges.low)}" if low else f"at most {short(edges.high)}"
    of = f"{found.name.replace('_', ' ')}: " if found.name else "worst item: " * found.every
    said = [f"{of}accepted {accepted}", f"measured {', '.join(short(v) for v in values)}"]
    said += [f"control {short(control)}"] if control is not None else []
    said += [f"published {short(published)}"] if published is not None else []
    return "; ".join(said)
