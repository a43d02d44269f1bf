"""The picture of a sweep over prompt pairs: one for a single pair, or for the mean of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from torch import Tensor

from replications.models.sites import Site

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Side = Literal["corrupted", "clean"]
AXES = {"layer": "layer", "head": "head", "pos": "position and token"}


def heatmap(
    effects: Tensor,
    axes: Sequence[str],
    site: Site,
    source: Side,
    title: str,
    label: Callable[[int], str],
) -> Figure:
    """Effects [*axes] as a heatmap: layers by heads or positions, or a panel for each layer.

    Panels begin at the first position with any effect. `label` names a position. Call it inside
    `charts.style()`. Raises BadInput without matplotlib.
    """
    from replications.plotting import charts

    panels, begin, (y, x) = {site.name: effects}, 0, axes[-2:]
    if len(axes) == 3:
        begin = int(effects.flatten(0, 1).any(0).int().argmax())
        panels = {f"{site.name}, layer {i}": e[:, begin:] for i, e in enumerate(effects)}
    sizes = dict(zip(axes, effects.shape, strict=True))
    figure = charts.heatmaps(
        panels,
        charts.Scale(f"effect (1: {source})", "RdBu"),
        x=AXES[x],
        y=AXES[y],
        x_ticks=_ticks(x, sizes[x], label)[begin:],
        y_ticks=_ticks(y, sizes[y], label),
        columns=2 if len(panels) == 4 else 3,
    )
    figure.suptitle(_literal(title))
    return figure


def _ticks(axis: str, size: int, label: Callable[[int], str]) -> list[str]:
    if axis != "pos":
        return [str(number) for number in range(size)]
    return [_literal(label(number)) for number in range(size)]


def _literal(text: str) -> str:
    """Text for matplotlib, for which a dollar sign would begin a formula."""
    return text.replace("$", r"\$")
