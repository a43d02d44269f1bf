"""The pictures of the sorting model."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from replications.plotting import charts
from replications.plotting.pictures import CannotDraw, picture
from replications.systems.algorithmic.data.sorting import VALUES
from replications.systems.algorithmic.measure import SortedSubject
from replications.systems.algorithmic.roles import label

NUMBERS = [str(number) for number in range(VALUES)]


def _subject(subject: Any) -> SortedSubject:
    if not isinstance(subject, SortedSubject):
        raise CannotDraw("it belongs to the sorting model")
    return subject


@picture(
    "Which head copies which numbers",
    "What attention to a number adds to each answer, without divisors. In the published model head "
    "0.0 copies the numbers 28 to 37, head 0.1 the others, and answers below a number are boosted, "
    "too.",
)
def copying(subject: Any) -> Figure:
    s = _subject(subject)
    panels = {f"head {label(head)}": s.circuits.copying(head) for head in s.task.heads}
    return charts.heatmaps(
        panels, charts.LOGITS, x="answer", y="source", x_ticks=NUMBERS, y_ticks=NUMBERS
    )


@picture(
    "Which numbers look at which",
    "Scores of numbers for numbers, by tokens alone and without divisors. In the published model "
    "most rows have their largest score a little to the right of the diagonal.",
)
def number_scores(subject: Any) -> Figure:
    s = _subject(subject)
    panels = {f"head {label(head)}": s.circuits.scores(head) for head in s.task.heads}
    return charts.heatmaps(
        panels, charts.SCORES, x="key", y="query", x_ticks=NUMBERS, y_ticks=NUMBERS
    )


@picture(
    "How far a gap is crossed",
    "The accuracy after x on lists x, x + g, …, x + g + 8.",
)
def by_gap(subject: Any) -> Figure:
    s = _subject(subject)
    gaps = list(range(1, VALUES - 8))
    figure, grid = charts.canvas()
    charts.lines(grid.flat[0], {"": (gaps, [s.behaviour.by_gap([gap]) for gap in gaps])})
    charts.label(grid.flat[0], "gap g", "accuracy")
    return figure
