"""How every picture looks: one colour scale per meaning, labelled axes, the same bytes each time.

A `Scale` is a meaning: attention is always 0 to 1 and purple to yellow, a contribution or a logit
difference always red below zero and blue above. Both palettes and the colours of classes can be
told apart by colour-blind readers. Functions that return a Figure draw a whole picture; those that
take `axes` draw one panel.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from replications.errors import BadInput

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as exc:
    raise BadInput(
        "pictures need matplotlib, which is not installed; run: pip install 'interp-claims[plots]'"
    ) from exc

# Okabe and Ito's palette, chosen to stay apart under the common kinds of colour blindness.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, GREY = "#56B4E9", "#CC79A7", "#7F7F7F"
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY)
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
TICKS = 24
"""More labels than this on an axis are thinned."""


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
        top = max((float(np.nanmax(np.abs(v))) for v in values if np.size(v)), default=1.0)
        return (-top, top) if top else (-1.0, 1.0)


ATTENTION = Scale("attention probability", "viridis", 0.0, 1.0)
DIFFERENCE = Scale("logit difference", "RdBu")
CONTRIBUTION = Scale("contribution to the logit difference", "RdBu")
SHARE = Scale("share of the clean effect", "RdBu")
LOGITS = Scale("logit", "RdBu")
SCORES = Scale("attention score", "RdBu")


@contextmanager
def style() -> Iterator[None]:
    """The settings every picture is drawn and written with."""
    settings = {
        "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.dpi": 100,
        "savefig.dpi": 150,
        "savefig.facecolor": "white",
        "svg.hashsalt": "interp-claims",
        "svg.fonttype": "none",
    }
    with mpl.rc_context():
        mpl.rcdefaults()  # not what the user's own matplotlibrc says
        mpl.rcParams.update(settings)
        yield


def encode(figure: Figure, form: str) -> bytes:
    """The figure as PNG or SVG without date or version, so that equal figures are equal bytes."""
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
    figure.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()


def canvas(
    columns: int = 1, rows: int = 1, *, width: float = 4.2, height: float = 3.2, **shared: Any
) -> tuple[Figure, np.ndarray]:
    """A figure and its panels, [rows columns]; `width` and `height` of one panel, in inches."""
    figure = Figure(figsize=(columns * width, rows * height), layout="constrained")
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
    """Panels title → values [y x], all on one scale with one colour bar.

    NaN is left grey. Ticks default to numbers from 0.
    """
    values = {title: array(of) for title, of in panels.items()}
    tall, wide = next(iter(values.values())).shape
    columns = min(columns, len(values))
    rows = -(-len(values) // columns)
    figure, grid = canvas(
        columns, rows, width=max(2.6, wide * cell + 1.2), height=max(1.9, tall * cell + 1.0)
    )
    low, high = scale.limits(list(values.values()))
    image = None
    for axes, (title, of) in zip(grid.flat, values.items(), strict=False):
        axes.set_facecolor("#BBBBBB")
        image = axes.imshow(of, cmap=scale.colours, vmin=low, vmax=high, aspect="auto")
        ticks(axes, x_ticks or range(wide), y_ticks or range(tall))
        label(axes, x, y, title)
    for axes in grid.flat[len(values) :]:
        axes.set_axis_off()
    figure.colorbar(image, ax=grid, label=scale.unit, shrink=0.9)
    return figure


def ticks(axes: Axes, x: Sequence[Any], y: Sequence[Any]) -> None:
    """Label the columns and rows of a heatmap, every n-th where there are too many."""
    step = -(-len(x) // TICKS)
    words = [str(word) for word in x][::step]
    upright = any(len(word) > 3 for word in words)
    axes.set_xticks(range(0, len(x), step), words, rotation=90 if upright else 0)
    step = -(-len(y) // TICKS)
    axes.set_yticks(range(0, len(y), step), [str(word) for word in y][::step])


def histograms(
    panels: Mapping[str, Mapping[str, Any]],
    *,
    x: str,
    bins: Sequence[float],
    columns: int = 3,
) -> Figure:
    """Panels title → (class → values), overlaid; what lies outside goes in the end bins."""
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure, grid = canvas(columns, rows, width=3.2, height=2.3)
    edges = array(bins)
    for axes, (title, classes) in zip(grid.flat, panels.items(), strict=False):
        for colour, (name, values) in zip(COLOURS, classes.items(), strict=False):
            inside = np.clip(array(values).ravel(), edges[0], edges[-1])
            axes.hist(inside, bins=edges, alpha=0.6, color=colour, label=name)
        label(axes, x, "count", title)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    if any(len(classes) > 1 for classes in panels.values()):
        grid.flat[0].legend(fontsize=8)
    return figure


def scatter(axes: Axes, classes: Mapping[str, tuple[Any, Any]], *, size: float = 8) -> None:
    """Class → (x, y), each class with a colour and a marker of its own."""
    for i, (name, (x, y)) in enumerate(classes.items()):
        axes.scatter(
            array(x),
            array(y),
            s=size,
            c=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            alpha=0.6,
            linewidths=0,
            label=name,
            rasterized=True,  # thousands of points would make an SVG that no browser likes
        )
    if len(classes) > 1:
        axes.legend(fontsize=8, markerscale=1.5)


def lines(axes: Axes, series: Mapping[str, tuple[Any, Any]], *, marks: bool = True) -> None:
    """Name → (x, y), each with a colour and a marker of its own."""
    for i, (name, (x, y)) in enumerate(series.items()):
        marker = MARKERS[i % len(MARKERS)] if marks else None
        axes.plot(x, array(y), color=COLOURS[i % len(COLOURS)], marker=marker, ms=4, label=name)
    if len(series) > 1:
        axes.legend(fontsize=8)


def diagonal(axes: Axes) -> None:
    """The line y = x across the panel."""
    axes.axline((0, 0), slope=1, color=GREY, linewidth=1, linestyle="--", label="y = x")
