"""The pictures of the first-unique-letter model."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from replications.models import Head
from replications.plotting import charts
from replications.plotting.pictures import CannotDraw, picture
from replications.systems.algorithmic.data.unique import LETTERS
from replications.systems.algorithmic.measure import UniqueSubject
from replications.systems.algorithmic.roles import label


def _subject(subject: Any) -> UniqueSubject:
    if not isinstance(subject, UniqueSubject):
        raise CannotDraw("it belongs to the first-unique-letter model")
    return subject


@picture(
    "Looking back at earlier copies",
    "Mean attention to all earlier copies of a letter that has occurred before, by letter. In the "
    "published model head 0.1 does it for all letters but a; head 0.2 for a, b and g.",
)
def duplicates(subject: Any) -> Figure:
    s = _subject(subject)
    heads = [head for head in s.task.heads if head[0] == 0]
    figure, grid = charts.canvas(len(heads), sharey=True)
    for axes, head in zip(grid.flat, heads, strict=True):
        charts.bars(axes, LETTERS, s.attention.to_copies(head))
        charts.label(axes, "letter", "attention to copies", f"head {label(head)}")
    return figure


@picture(
    "Scores of letters for letters",
    "Attention scores in layer 0 by letters alone. In the published model the diagonal of head 0.1 "
    "is positive but for a.",
)
def letter_scores(subject: Any) -> Figure:
    s = _subject(subject)
    panels = {
        f"head {label(head)}": s.circuits.letter_scores(head)
        for head in s.task.heads
        if head[0] == 0
    }
    return charts.heatmaps(
        panels, charts.SCORES, x="key", y="query", x_ticks=LETTERS, y_ticks=LETTERS
    )


@picture(
    "Paths to the answer",
    "What each path adds to the logit of a letter itself. In the published model paths from 0.1 "
    "suppress letters, each through the head of layer 1 that the letter belongs to.",
)
def paths(subject: Any) -> Figure:
    s = _subject(subject)
    late = list(s.roles.domain)
    starts: dict[str, tuple[Head, ...]] = {
        "the letter": (),
        **{label(h): (h,) for h in s.task.heads if h[0] == 0},
    }
    panels = {
        f"from {name}": [s.circuits.through(*start, head).tolist() for head in late]
        for name, start in starts.items()
    }
    return charts.heatmaps(
        panels, charts.LOGITS, x="letter", y="through", columns=2,
        x_ticks=LETTERS, y_ticks=[label(head) for head in late],
    )  # fmt: skip
