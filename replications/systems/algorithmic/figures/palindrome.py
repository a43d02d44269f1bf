"""The pictures of the palindrome classifier."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from replications.plotting import charts
from replications.plotting.pictures import CannotDraw, picture
from replications.systems.algorithmic.data.palindrome import CONTEXT, SECOND, VALUES, mirror
from replications.systems.algorithmic.measure import PalindromeSubject
from replications.systems.algorithmic.roles import label

PLACES = ["START", *(str(i) for i in range(1, CONTEXT - 1)), "END"]
PAIRS = [f"{mirror(i)}, {i}" for i in SECOND]


def _subject(subject: Any) -> PalindromeSubject:
    if not isinstance(subject, PalindromeSubject):
        raise CannotDraw("it belongs to the palindrome classifier")
    return subject


@picture(
    "What is left without one head",
    "The mean logit difference with each head replaced by its mean over the data set, or by zero. "
    "In the published model little is left without 0.0 or 1.0, and zero ablation makes 0.1 look "
    "important, too.",
)
def ablations(subject: Any) -> Figure:
    s = _subject(subject)
    both = {
        "mean ablation": s.behaviour.mean_ablated(),
        "zero ablation": s.behaviour.zero_ablated(),
    }
    names = [label(head) for head in s.task.heads]
    figure, grid = charts.canvas(2, sharey=True)
    for axes, (title, values) in zip(grid.flat, both.items(), strict=True):
        charts.bars(axes, names, [values[name] for name in names])
        charts.label(axes, "head", "logit difference", title)
    return figure


@picture(
    "Which numbers look at which by number alone",
    "Attention among numbers by their scores alone. In head 0.0 of the published model the "
    "diagonal shows that every number asks for itself.",
)
def token_matching(subject: Any) -> Figure:
    s = _subject(subject)
    values = [str(value) for value in range(VALUES)]
    heads = (s.roles.compare, s.roles.other)
    panels = {f"head {label(head)}": s.circuits.token_attention(head) for head in heads}
    return charts.heatmaps(
        panels, charts.ATTENTION, x="key", y="query", x_ticks=values, y_ticks=values
    )


@picture(
    "Where positions look by position alone",
    "In head 0.0 of the published model every position of the second half (11 to 20) looks at its "
    "mirror or at itself.",
)
def position_matching(subject: Any) -> Figure:
    s = _subject(subject)
    heads = (s.roles.compare, s.roles.other)
    panels = {f"head {label(head)}": s.circuits.positions(head) for head in heads}
    return charts.heatmaps(
        panels, charts.ATTENTION, x="key position", y="query position",
        x_ticks=PLACES, y_ticks=PLACES,
    )  # fmt: skip


@picture(
    "Where END looks",
    "Mean attention from END to each position of the second half, where its pair is unequal and "
    "where it is equal. Head 1.0 of the published model looks at unequal pairs, but not at 17, 19 "
    "and 20.",
)
def end_attention(subject: Any) -> Figure:
    s = _subject(subject)
    figure, grid = charts.canvas(2, sharey=True)
    heads = (s.roles.collect, s.roles.last)
    for axes, head in zip(grid.flat, heads, strict=True):
        unequal, equal = s.attention.from_end(head)
        charts.lines(axes, {"unequal": (SECOND, unequal), "equal": (SECOND, equal)})
        charts.label(axes, "key position", "attention", f"head {label(head)}")
    charts.legend(figure)
    return figure


@picture(
    "One direction for unequal pairs",
    "Cosines between what the head that compares writes for each pair when it is unequal. In the "
    "published model seven pairs share a direction; 17, 19 and 20 have others.",
)
def difference_cosines(subject: Any) -> Figure:
    s = _subject(subject)
    return charts.heatmaps(
        {"cosine": s.circuits.cosines()}, charts.Scale("cosine", "RdBu", -1.0, 1.0),
        x="pair", y="pair", x_ticks=PAIRS, y_ticks=PAIRS,
    )  # fmt: skip
