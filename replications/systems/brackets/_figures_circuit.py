"""Pictures of the total-elevation circuit: what the total head reads, and who writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from replications.plotting import charts
from replications.plotting.pictures import CannotDraw, picture
from replications.systems.brackets._figures_panels import (
    SHARE,
    against_share,
    by_way,
    classifier,
    component_histograms,
    total,
)
from replications.systems.brackets.constructions import Constructions
from replications.systems.brackets.data import CONTEXT, MAX_LENGTH
from replications.systems.brackets.measure import BracketSubject
from replications.systems.brackets.measurements.neurons import parse_neuron
from replications.systems.brackets.recording import components_before

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AXIS = (-5.0, 12.0)
"""The horizontal axis of the document's histograms of what the total head reads."""
STRONGEST = 12
"""How many neurons of a layer are drawn."""
NAMED = {
    "above half": ("1.53", "1.39", "1.8", "0.33", "0.43"),
    "below half": ("0.21", "0.7", "1.50", "1.6"),
    "opposite": ("0.0",),
    "both sides": ("1.10", "1.3", "0.19", "0.34"),
}
"""The neurons of the published model that the document names, by what it says of them."""


# ---------------------------------------------------------------------- what the total head reads
@picture(
    "Where the total head looks",
    "Mean attention of the total head from position 0 ([start]), on strings that start with '('. "
    "In the published model about half of it goes to position 1.",
)
def total_head_attention(subject: Any) -> Figure:
    s = classifier(subject)
    attention = s.total_head.attention[s.task.data.starts_open].double().mean(0)
    figure, grid = charts.canvas(width=7)
    charts.bars(grid[0, 0], [str(i) for i in range(CONTEXT)], attention)
    what = charts.ATTENTION.unit
    charts.label(grid[0, 0], "key position", f"mean {what}", f"{total(s)}, query 0")
    return figure


@picture(
    "What the total head reads at position 1",
    "Output of each earlier component at position 1 along the direction that the total head turns "
    "into “unbalanced”, less its mean over balanced strings, on all strings. Values beyond the "
    "axis are counted in the end bins.",
)
def components_before_the_total_head(subject: Any) -> Figure:
    s = classifier(subject)
    w = s.task.inputs(s.roles.total)
    inputs = {c: w[c] for c in components_before(s.roles.total[0])}
    return component_histograms(s, inputs, *AXIS, step=0.25)


@picture(
    "MLPs against the share of '('",
    "What the MLPs write at position 1 along the direction that the total head reads, on strings "
    "that start with '('. In the published model mlp1 is lowest at one half.",
)
def mlps_by_open_share(subject: Any) -> Figure:
    s = classifier(subject)
    mlps = [c for c in components_before(s.roles.total[0]) if c.startswith("mlp")]
    figure, (panels,) = charts.canvas(len(mlps), width=5, height=4)
    for axes, mlp in zip(panels, mlps, strict=True):
        against_share(axes, s, s.task.inputs(s.roles.total)[mlp], s.task.data.starts_open, size=6)
        charts.label(axes, SHARE, by_way(s) if axes is panels[0] else "", mlp)
    return figure


@picture(
    "Two ReLUs make an absolute value",
    "ReLU(x − ½) and ReLU(½ − x) are each zero on one side of one half; their sum is |x − ½|, "
    "which is zero at one half alone.",
)
def two_relus(subject: Any) -> Figure:
    if not isinstance(subject, Constructions):
        raise CannotDraw("the same for every model: drawn for the subject 'construction'")
    x = torch.linspace(0, 1, 101)
    above, below = (x - 0.5).relu(), (0.5 - x).relu()
    figure, grid = charts.canvas(width=5)
    series = {"ReLU(x − ½)": above, "ReLU(½ − x)": below, "their sum": above + below}
    charts.lines(grid[0, 0], {name: (x, y) for name, y in series.items()}, marks=False)
    grid[0, 0].lines[-1].set(linewidth=6, alpha=0.4, zorder=1)  # seen below the other two
    charts.legend(figure)
    charts.label(grid[0, 0], "x, such as a share of '('", "value")
    return figure


# ----------------------------------------------------------------------------------------- neurons
@picture(
    "The strongest neurons of layer 0",
    "What the twelve strongest neurons of mlp0 write at position 1 along the direction that the "
    "total head reads, on strings that start with '(', by the share of '('. Strongest: the largest "
    "mean on either side of one half.",
)
def neurons_of_layer_0(subject: Any) -> Figure:
    return _strongest(classifier(subject), 0)


@picture(
    "The strongest neurons of layer 1",
    "What the twelve strongest neurons of mlp1 write at position 1 along the direction that the "
    "total head reads, on strings that start with '(', by the share of '('. In the published model "
    "some neurons answer shares above one half, some shares below it, and many both.",
)
def neurons_of_layer_1(subject: Any) -> Figure:
    return _strongest(classifier(subject), 1)


def _strongest(s: BracketSubject, layer: int) -> Figure:
    if layer >= s.roles.total[0]:
        raise CannotDraw(f"mlp{layer} writes after {total(s)} has read")
    strength = torch.maximum(s.neurons.high[layer].abs(), s.neurons.low[layer].abs())
    found = strength.argsort(descending=True)[:STRONGEST].tolist()
    return _neurons(s, {f"{layer}.{i}": (layer, i) for i in found}, columns=4)


@picture(
    "The neurons that the document names",
    "What single neurons write at position 1 along the direction that the total head reads, by the "
    "share of '(', with what the document says they answer: shares of '(' above one half, below "
    "it, or both.",
)
def named_neurons(subject: Any) -> Figure:
    s = classifier(subject)
    if s.name.partition("~")[0] != "arena":
        raise CannotDraw("the document names neurons of the published weights, which these are not")
    panels = {f"{n}: {kind}": parse_neuron(n) for kind, names in NAMED.items() for n in names}
    return _neurons(s, panels, columns=5)


def _neurons(s: BracketSubject, panels: Mapping[str, tuple[int, int]], columns: int) -> Figure:
    """Title → (layer, neuron), each against the share of '(' on strings that start with '('."""
    rows = -(-len(panels) // columns)
    figure, grid = charts.canvas(columns, rows, width=2.2, height=1.9, sharex=True, sharey=True)
    for i, (title, (layer, neuron)) in enumerate(panels.items()):
        axes = grid.flat[i]
        values = s.neurons.contributions[layer, :, neuron]
        against_share(axes, s, values, s.task.data.starts_open, size=3)
        axes.set_title(title)
        axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
        axes.tick_params(labelbottom=i + columns >= len(panels))
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    figure.supxlabel(SHARE, fontsize="medium")
    figure.supylabel(by_way(s), fontsize="medium")
    return figure


# ------------------------------------------------------------------------------ the elevation head
def _positions() -> list[str]:
    """The tokens of a string of 40 brackets."""
    return ["[start]", *(str(i) for i in range(1, MAX_LENGTH + 1)), "[end]"]


@picture(
    "Attention of layer 0, queries '('",
    "Attention of the elevation head and of the other head of layer 0, with the queries of a "
    "string of 40 '(' and keys averaged over such a string and one of 40 ')'. In the published "
    "model the elevation head looks at what comes after the query, nearly evenly, but for later "
    "queries unevenly.",
)
def layer_0_attention(subject: Any) -> Figure:
    return _layer_0(classifier(subject), "(")


@picture(
    "Attention of layer 0, queries ')'",
    "Attention of the elevation head and of the other head of layer 0, with the queries of a "
    "string of 40 ')'. The document calls the pattern similar to that of '(' queries, but less "
    "pronounced.",
)
def layer_0_attention_from_close(subject: Any) -> Figure:
    return _layer_0(classifier(subject), ")")


def _layer_0(s: BracketSubject, bracket: str) -> Figure:
    head = s.elevation_head
    heads = {f"elevation head {head.label}": head, f"head {head.sibling.label}": head.sibling}
    panels = {f"{name}, queries '{bracket}'": of.grids[bracket] for name, of in heads.items()}
    # The document's colours end at the largest value too: over 40 keys attention is small.
    top = max(grid.max().item() for grid in panels.values())
    return charts.heatmaps(
        panels,
        replace(charts.ATTENTION, high=top),
        x="key position",
        y="query position",
        x_ticks=_positions(),
        y_ticks=_positions(),
    )


@picture(
    "Where position 1 looks",
    "Mean attention of the elevation head from position 1 over balanced strings of 40 brackets, "
    "with the queries of a string that has only '('. Even bars mean that it averages over the "
    "string.",
)
def elevation_head_attention(subject: Any) -> Figure:
    s = classifier(subject)
    if not (s.task.B & (s.task.data.lengths == MAX_LENGTH)).any():
        raise CannotDraw(f"no balanced string of {MAX_LENGTH} brackets is among its strings")
    attention = s.elevation_head.attention_at_1
    figure, grid = charts.canvas(width=7)
    charts.bars(grid[0, 0], _positions(), attention)
    grid[0, 0].set_ylim(0, max(0.1, 1.05 * attention.max().item()))
    title = f"elevation head {s.elevation_head.label}, query 1"
    charts.label(grid[0, 0], "key position", f"mean {charts.ATTENTION.unit}", title)
    return figure
