"""The pictures of the addition model."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from replications.plotting import charts
from replications.plotting.pictures import CannotDraw, picture
from replications.systems.algorithmic.data.addition import ANSWERED, CONTEXT, DIGITS, NAMES
from replications.systems.algorithmic.measure import OneLayerSumSubject, SumSubject
from replications.systems.algorithmic.measurements.addition.circuits import HIERARCHY
from replications.systems.algorithmic.roles import label


def _subject(subject: Any) -> SumSubject:
    if not isinstance(subject, SumSubject) or isinstance(subject, OneLayerSumSubject):
        raise CannotDraw("it belongs to the addition model of two layers")
    return subject


@picture(
    "Who writes where what a digit needs",
    "The rise in the loss of each digit with a head of layer 0 mean-ablated at one position. "
    "In the published model little is lost outside B3, =, C0, C1 and C2.",
)
def write_map(subject: Any) -> Figure:
    s = _subject(subject)
    panels = {
        f"head {label(head)}": [s.behaviour.rises(head, i).tolist() for i in range(CONTEXT - 1)]
        for head in s.roles.early
    }
    return charts.heatmaps(
        panels, charts.Scale("rise in loss, nats", "RdBu"), x="digit", y="position",
        x_ticks=[NAMES[i + 1] for i in ANSWERED], y_ticks=NAMES[:-1],
    )  # fmt: skip


@picture(
    "Which digits a head prefers",
    "Preferences for digits as keys, in the order 0 9 1 8 2 7 3 6 4 5, of the cells that tell a "
    "carry: the top digit of a pair says whether it adds up to ten.",
)
def carry_hierarchy(subject: Any) -> Figure:
    s = _subject(subject)
    figure, grid = charts.canvas(len(s.roles.carries), sharey=True)
    for axes, (head, name) in zip(grid.flat, s.roles.carries, strict=True):
        preferences = s.circuits.preferences(f"{label(head)}@{name}")
        charts.bars(axes, list(HIERARCHY), preferences[[int(digit) for digit in HIERARCHY]])
        charts.label(axes, "digit", "preference", f"head {label(head)} at {name}")
    return figure


@picture(
    "The circle of answers",
    "The digits in the two strong directions of the unembedding, and the final stream at =, C0, C1 "
    "and C2 in the same directions, by the right answer.",
)
def answer_circle(subject: Any) -> Figure:
    s = _subject(subject)
    figure, grid = charts.canvas(2, width=3.6, height=3.4)
    stream, places = s.readout.points()
    labels = s.task.examples.labels
    panels = {
        "unembedding": {str(digit): places[digit, None] for digit in range(DIGITS)},
        "final stream": {str(digit): stream[labels == digit] for digit in range(DIGITS)},
    }
    for axes, (title, classes) in zip(grid.flat, panels.items(), strict=True):
        points = {name: (found[:, 0], found[:, 1]) for name, found in classes.items()}
        charts.scatter(axes, points, size=40 if title == "unembedding" else 3)
        charts.label(axes, "first direction", "second direction", title)
    return figure
