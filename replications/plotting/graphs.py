"""A graph of named nodes in rows, with arrows as wide as what they carry."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch

from replications.plotting import charts

THINNEST, THICKEST = 0.6, 5.0
"""Width of an arrow, in points."""
COLUMN, ROW = 1.1, 0.75
"""Inches from one node of a row to the next, and from one row to the next."""
NODE = 11
"""Room that an arrow leaves around a node, in points."""
BEND, LONG = 0.12, 0.25
"""How much more arrows are bent than those of the group before, and those past other nodes."""
Place = tuple[float, float]


@dataclass(frozen=True)
class Arrow:
    """From one node to another. It is dashed if `value` is above 0; `group` decides its colour."""

    begin: str
    end: str
    value: float
    group: str


def rows(
    nodes: Sequence[Sequence[str]],
    arrows: Sequence[Arrow],
    groups: Sequence[str],
    *,
    unit: str,
    y: str,
) -> Figure:
    """Rows of nodes, the first at the bottom, and arrows as wide as the size of their values.

    `groups` are in the order of the legend, which shows those that occur. `y` names the axis of the
    rows.
    """
    wide = max(map(len, nodes), default=1)
    size = (max(4.2, wide * COLUMN + 1.2), max(2.4, len(nodes) * ROW + 0.9))
    figure = charts.Shown(figsize=size, layout="constrained")
    axes = figure.subplots()
    places = _places(nodes)
    colours = dict(zip(groups, charts.COLOURS, strict=False))
    bends = {group: BEND * i for i, group in enumerate(groups)}
    largest = max((abs(arrow.value) for arrow in arrows), default=1.0)
    for arrow in sorted(arrows, key=lambda arrow: abs(arrow.value)):
        begin, end = places[arrow.begin], places[arrow.end]
        past_others = LONG if math.dist(begin, end) > 1.2 else 0.0
        width = _width(arrow.value, largest)
        dashed = arrow.value > 0
        bend = bends[arrow.group] + past_others
        _draw(axes, begin, end, bend, width, dashed=dashed, colour=colours[arrow.group])
    for name, (across, up) in places.items():
        axes.text(
            across, up, name, ha="center", va="center", zorder=3,
            bbox={"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": charts.GREY},
        )  # fmt: skip
    axes.set_xlim(-wide / 2 - 0.3, wide / 2 + 0.3)
    axes.set_ylim(-0.5, len(nodes) - 0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("bottom", "left"):
        axes.spines[side].set_visible(False)
    charts.label(axes, f"widest arrow: {largest:.3g} ({unit})", y)
    _legend(figure, arrows, colours)
    return figure


def _places(nodes: Sequence[Sequence[str]]) -> dict[str, Place]:
    return {
        name: (i - (len(row) - 1) / 2, float(y)) for y, row in enumerate(nodes)
        for i, name in enumerate(row)
    }  # fmt: skip


def _width(value: float, largest: float) -> float:
    return THINNEST + (THICKEST - THINNEST) * abs(value) / (largest or 1.0)


def _draw(
    axes: Axes, begin: Place, end: Place, bend: float, width: float, *, dashed: bool, colour: str
) -> None:
    axes.add_patch(
        FancyArrowPatch(
            begin,
            end,
            arrowstyle="-|>",
            mutation_scale=9,
            connectionstyle=f"arc3,rad={bend:.3f}",
            shrinkA=NODE,
            shrinkB=NODE,
            linewidth=width,
            linestyle="--" if dashed else "-",
            color=colour,
            alpha=0.8,
            zorder=2,
        )
    )


def _legend(figure: Figure, arrows: Sequence[Arrow], colours: Mapping[str, str]) -> None:
    """The groups that occur, and what a dashed arrow means."""
    present = [name for name in colours if any(arrow.group == name for arrow in arrows)]
    lines = {name: Line2D([], [], color=colours[name], linewidth=2) for name in present}
    if any(arrow.value > 0 for arrow in arrows):
        lines["raises it"] = Line2D([], [], color=charts.GREY, linestyle="--")
    figure.legend(
        list(lines.values()), list(lines), loc="outside lower center", fontsize=8, frameon=False,
        ncols=min(len(lines), max(1, int(figure.get_figwidth() / 1.6))),
    )  # fmt: skip
