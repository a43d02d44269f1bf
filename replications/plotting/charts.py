"""How every picture looks: one colour scale per meaning, labelled axes, the same bytes each time.

A `Scale` is a meaning: attention is always 0 to 1 and purple to yellow, a contribution or a logit
difference always red below zero and blue above. Both palettes and the colours of classes can be
told apart by colour-blind readers. Functions that return a Figure draw a whole picture; those that
take `axes` draw one panel.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from replications.errors import BadInput
from replications.plotting.encoding import Shown as Shown
from replications.plotting.encoding import encode as encode
from replications.plotting.encoding import style as style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, chosen to stay apart under the common kinds of colour blindness.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, GREY = "#56B4E9", "#CC79A7", "#7F7F7F"
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY)
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
LETTER, LINE = 0.075, 0.15
"""Width of a letter and height of a line of the labels, in inches, generously."""
TICKS = 24
"""More labels than this on an axis are thinned."""
WIDEST, TALLEST = 11.0, 9.0
"""What a picture with heatmaps should stay below, in inches: their cells shrink to fit."""


@dataclass(frozen=True)
class Scale:
    """What a colour means. `unit` is written beside the bar; limits None: from the data."""

    unit: str
    colours: str
    low: float | None = None
    high: float | None = None

    def limits(self, values: Sequence[np.ndarray]) -> tuple[float, float]:
        """The range for `values`; centred on zero unless both ends are given."""
        if self.low is not None and self.high is not None:
            return self.low, self.high
        top = max((float(np.abs(v[np.isfinite(v)]).max(initial=0.0)) for v in values), default=0.0)
        return (-top, top) if top else (-1.0, 1.0)


ATTENTION = Scale("attention probability", "viridis", 0.0, 1.0)
DIFFERENCE = Scale("logit difference", "RdBu")
CONTRIBUTION = Scale("contribution to the logit difference", "RdBu")
SHARE = Scale("share of the clean effect", "RdBu")
LOGITS = Scale("logit", "RdBu")
SCORES = Scale("attention score", "RdBu")


def canvas(
    columns: int = 1, rows: int = 1, *, width: float = 4.2, height: float = 3.2, **shared: Any
) -> tuple[Figure, np.ndarray]:
    """A figure and its panels, [rows columns]; `width` and `height` of one panel, in inches."""
    figure = Shown(figsize=(columns * width, rows * height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def array(values: Any) -> np.ndarray:
    """A tensor, list or number as a float array."""
    found = values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
    return np.asarray(found, dtype=float)


def label(axes: Axes, x: str, y: str, title: str = "") -> None:
    """Name the axes, with units, and the panel."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if title:
        axes.set_title(title)


def legend(figure: Figure) -> None:
    """One legend above all panels for whatever is labelled in any of them, each label once.

    Drawn anew each time it is called; none for a single label.
    """
    from matplotlib.collections import PathCollection

    for old in list(figure.legends):
        old.remove()
    found: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    if len(found) < 2:
        return
    entry = max(map(len, found)) * LETTER + 0.5
    fitting = max(1, int(figure.get_figwidth() / entry))
    drawn = figure.legend(
        list(found.values()),
        list(found),
        loc="outside upper center",
        ncols=min(len(found), fitting),
        fontsize=8,
        frameon=False,
    )
    for shown in drawn.legend_handles:
        if isinstance(shown, PathCollection):  # of a scatter: seen, however small its points are
            shown.set_sizes([30])
            shown.set_alpha(1)


# --------------------------------------------------------------------------------------- heatmaps
def heatmaps(
    panels: Mapping[str, Any],
    scale: Scale,
    *,
    x: str,
    y: str,
    x_ticks: Sequence[str] | None = None,
    y_ticks: Sequence[str] | None = None,
    columns: int = 3,
    cell: float = 0.28,
) -> Figure:
    """Panels title → values [y x], all of one shape, on one scale with one colour bar.

    NaN is left grey. Ticks default to numbers from 0. `cell` is the side of a cell in inches; it
    shrinks where the picture would not fit a page. Raises BadInput if shapes or ticks disagree.
    """
    values = {title: array(of) for title, of in panels.items()}
    tall, wide = shape = next(iter(values.values())).shape
    names_x = [str(i) for i in (range(wide) if x_ticks is None else x_ticks)]
    names_y = [str(i) for i in (range(tall) if y_ticks is None else y_ticks)]
    if {of.shape for of in values.values()} != {shape} or (len(names_y), len(names_x)) != shape:
        raise BadInput(f"panels must all be {tall} × {wide}, with as many ticks")
    columns = min(columns, len(values))
    rows = -(-len(values) // columns)
    around = _around(names_x, names_y, x, y)
    cell = min(cell, (WIDEST / columns - around[0]) / wide, (TALLEST / rows - around[1]) / tall)
    width = max(1.6, wide * cell) + around[0]
    height = max(1.0, tall * cell) + around[1]
    figure, grid = canvas(columns, rows, width=width, height=height)
    low, high = scale.limits(list(values.values()))
    images = []
    for i, (title, of) in enumerate(values.items()):
        axes = grid.flat[i]
        axes.set_facecolor("#BBBBBB")
        images += [axes.imshow(of, cmap=scale.colours, vmin=low, vmax=high, aspect="auto")]
        ticks(axes, names_x, names_y, cell=(width - around[0]) / wide)
        label(axes, x, y, textwrap.fill(title, int(width / LETTER)))
        _outer_only(axes, left=i % columns == 0, bottom=i + columns >= len(values))
    for axes in grid.flat[len(values) :]:
        axes.set_axis_off()
    unit = textwrap.fill(scale.unit, max(12, int(rows * height * 0.9 / LETTER)))
    # Of the width of all panels, so that the bar is as thick in a wide picture as in a small one.
    share = min(0.15, 0.7 / (columns * width))
    figure.colorbar(images[0], ax=grid, label=unit, shrink=0.9, fraction=share, pad=share / 5)
    return figure


def _around(names_x: Sequence[str], names_y: Sequence[str], x: str, y: str) -> tuple[float, float]:
    """Inches beside and above a panel for its ticks, the names of its axes and its title."""
    beside = max(map(len, names_y)) * LETTER + LINE * bool(y)
    below = max(map(len, names_x)) * LETTER if _upright(names_x) else LINE
    return beside + 0.35, below + LINE * bool(x) + 0.45


def _upright(words: Sequence[str]) -> bool:
    return any(len(word) > 3 for word in words)


def _outer_only(axes: Axes, *, left: bool, bottom: bool, ticks: bool = False) -> None:
    """Leave the names of the axes to the first column and the lowest panel of each.

    The words at the ticks too, unless `ticks`: then each panel keeps its own.
    """
    axes.tick_params(labelleft=left or ticks, labelbottom=bottom or ticks)
    if not left:
        axes.set_ylabel("")
    if not bottom:
        axes.set_xlabel("")


def ticks(axes: Axes, x: Sequence[Any], y: Sequence[Any], *, cell: float | None = None) -> None:
    """Label the columns and rows of a heatmap, every n-th and the last where there are too many.

    `cell` is the side of a cell in inches, left out: 24 labels fit an axis.
    """
    words_x, words_y = [str(word) for word in x], [str(word) for word in y]
    upright = _upright(words_x)
    room = LINE if upright else max(map(len, words_x), default=0) * LETTER + 0.1
    axes.set_xticks(*_thinned(words_x, room, cell), rotation=90 if upright else 0)
    axes.set_yticks(*_thinned(words_y, LINE, cell))


def _thinned(words: Sequence[str], room: float, cell: float | None) -> tuple[list[int], list[str]]:
    """Which labels are written, and their words; `room` inches are needed from one to the next."""
    step = -(-len(words) // TICKS) if cell is None else -int(-room // cell)
    places = list(range(0, len(words), step))
    last = len(words) - 1
    if places and places[-1] != last:
        if last - places[-1] < step:  # no room for both
            places.pop()
        places.append(last)
    return places, [words[i] for i in places]


# ----------------------------------------------------------------------------- panels of one kind
def histograms(
    panels: Mapping[str, Mapping[str, Any]],
    *,
    x: str,
    bins: Sequence[float],
    columns: int = 3,
) -> Figure:
    """Panels title → (class → values), overlaid; what lies outside goes in the end bins.

    A class has one colour in all panels.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure, grid = canvas(columns, rows, width=3.0, height=2.1)
    edges = array(bins)
    names = list(dict.fromkeys(name for classes in panels.values() for name in classes))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    for i, (title, classes) in enumerate(panels.items()):
        axes = grid.flat[i]
        for name, values in classes.items():
            inside = np.clip(array(values).ravel(), edges[0], edges[-1])
            counts, _ = np.histogram(inside, edges)
            axes.stairs(counts, edges, fill=True, alpha=0.6, color=colours[name], label=name)
        label(axes, x, "count", title)
        _outer_only(axes, left=i % columns == 0, bottom=i + columns >= len(panels), ticks=True)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    legend(figure)
    return figure


def bars(axes: Axes, names: Sequence[str], heights: Any) -> None:
    """One bar for each name, of one colour; the names are thinned where there are too many."""
    values = array(heights)
    axes.bar(range(len(values)), values, color=BLUE, width=0.8)
    places, words = _thinned(list(names), 0, None)
    axes.set_xticks(places, words, rotation=90 if _upright(words) else 0)
    axes.margins(x=0.01)


def scatter(axes: Axes, classes: Mapping[str, tuple[Any, Any]], *, size: float = 8) -> None:
    """Class → (x, y), each class with a colour and a marker of its own."""
    for i, (name, (x, y)) in enumerate(classes.items()):
        axes.scatter(
            array(x),
            array(y),
            s=size,
            c=COLOURS[i % len(COLOURS)],
            marker=_marker(i),
            alpha=0.6,
            linewidths=0,
            label=name,
            rasterized=True,  # thousands of points would make an SVG that no browser likes
        )
    legend(cast("Figure", axes.figure))


def _marker(i: int) -> str:
    """The next marker when the colours begin anew, so that no two classes share both."""
    return MARKERS[(i + i // len(COLOURS)) % len(MARKERS)]


def lines(axes: Axes, series: Mapping[str, tuple[Any, Any]], *, marks: bool = True) -> None:
    """Name → (x, y), each with a colour and a marker of its own."""
    for i, (name, (x, y)) in enumerate(series.items()):
        marker = _marker(i) if marks else None
        axes.plot(x, array(y), color=COLOURS[i % len(COLOURS)], marker=marker, ms=4, label=name)
    legend(cast("Figure", axes.figure))


def diagonal(axes: Axes) -> None:
    """The line y = x across the panel."""
    axes.axline((0, 0), slope=1, color=GREY, linewidth=1, linestyle="--", label="y = x")
    legend(cast("Figure", axes.figure))
