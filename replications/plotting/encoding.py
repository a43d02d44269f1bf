"""Figures as PNG and SVG, the same bytes each time.  Importing it needs matplotlib, or BadInput."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from replications.errors import BadInput

try:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image  # which matplotlib needs too
except ImportError as exc:
    raise BadInput(
        "pictures need matplotlib, which is not installed; run: pip install 'interp-claims[plots]'"
    ) from exc

FONT = "DejaVu Sans"  # comes with matplotlib: the same on every machine
SVG_FONTS = f"'{FONT}', Verdana, sans-serif"
"""An SVG keeps its text as text; Verdana is as wide where the reader lacks the first."""
DOTS = 150
"""Dots to an inch of a PNG, and of the points within an SVG."""


@contextmanager
def style() -> Iterator[None]:
    """The settings every picture is drawn and written with."""
    settings: Any = {
        "font.family": FONT,
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.dpi": 100,
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
    if engine := figure.get_layout_engine():
        engine.execute(figure)  # once: each time it runs it moves things by a hair
        figure.set_layout_engine("none")
    return _svg(figure) if form == "svg" else _png(figure)


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", dpi=DOTS, metadata={"Date": None, "Creator": None})
    return buffer.getvalue().replace(f"'{FONT}'".encode(), SVG_FONTS.encode())


def _png(figure: Figure) -> bytes:
    """What `savefig` would write, without alpha; it goes through everything twice."""
    buffer, dots = io.BytesIO(), figure.dpi
    figure.set_dpi(DOTS)
    surface: Any = FigureCanvasAgg(figure)
    try:
        surface.draw()
        drawn = Image.fromarray(np.asarray(surface.buffer_rgba()))
    finally:
        figure.set_dpi(dots)
    drawn.convert("RGB").save(buffer, format="png", dpi=(DOTS, DOTS))
    return buffer.getvalue()


class Shown(Figure):
    """A figure that a notebook shows, without pyplot."""

    def _repr_png_(self) -> bytes:
        with style():
            return encode(self, "png")
