"""The plots of the bracket document, drawn from the measurements of one classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from replications.circuits import drawing
from replications.plotting import charts
from replications.plotting.pictures import Picture, picture
from replications.systems.brackets import _figures_circuit as circuit
from replications.systems.brackets._figures_panels import (
    SHARE,
    TOWARDS,
    against_share,
    by_type,
    classifier,
    component_histograms,
    negative,
    total,
)
from replications.systems.brackets.data import MAX_LENGTH
from replications.systems.brackets.measurements.components import AXIS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCRUBBED = ("0a", "1b", "1a", "2a", "0b")
"""The hypotheses whose losses are drawn."""
NOT_DRAWN = {
    "illustration of a bimodal component histogram": (
        "a schematic: nothing is measured; components-at-position-0 shows the measured ones"
    ),
    "slider over all neurons": (
        "a still picture has no slider: the strongest neurons of each layer are drawn instead"
    ),
    "diagrams: model, residual split, two backward steps, MLP as key-value, final circuit": (
        "schematics: nothing is measured"
    ),
}


@picture(
    "Lengths of the strings",
    "How many strings of each length the model is measured on. All lengths are even: a string of "
    "odd length is never balanced, and the model was meant to learn more than that.",
)
def string_lengths(subject: Any) -> Figure:
    s = classifier(subject)
    counts = torch.bincount(s.task.data.lengths, minlength=MAX_LENGTH + 1)
    figure, grid = charts.canvas(width=7)
    charts.bars(grid[0, 0], [str(i) for i in range(len(counts))], counts)
    charts.label(grid[0, 0], "length (brackets)", "strings")
    return figure


@picture(
    "What each component writes at position 0",
    "Output of each component at position 0 along the direction that the final LayerNorm and the "
    "unembedding turn into “unbalanced”, less its mean over balanced strings. A component that "
    "matters pushes unbalanced strings to the right. Values beyond the axis are counted in the end "
    "bins.",
)
def components_at_position_0(subject: Any) -> Figure:
    s = classifier(subject)
    return component_histograms(s, s.task.contributions, *AXIS, step=0.5)


@picture(
    "The total head against the negative head",
    "Contributions to “unbalanced” of the head that checks the total and of the one that checks "
    "for negative suffixes, on strings that start with '('. Each is large on the failure it is "
    "responsible for, and often on the other.",
)
def total_head_against_negative_head(subject: Any) -> Figure:
    s = classifier(subject)
    x, y = s.total_head.contribution, s.negative_head.contribution
    figure, grid = charts.canvas(width=6, height=5)
    charts.scatter(grid[0, 0], by_type(s, x, y, s.task.data.starts_open))
    charts.label(grid[0, 0], f"{total(s)}: {TOWARDS}", f"{negative(s)}: {TOWARDS}")
    return figure


@picture(
    "Both heads against the share of '('",
    "Contributions to “unbalanced” of the total head and of the negative head on all strings. The "
    "total head should be low at one half, where the total is right, and high on both sides.",
)
def heads_by_open_share(subject: Any) -> Figure:
    s = classifier(subject)
    figure, (panels,) = charts.canvas(2, width=5, height=4)
    every = torch.ones_like(s.task.B)
    heads = {total(s): s.total_head, negative(s): s.negative_head}
    for axes, (name, head) in zip(panels, heads.items(), strict=True):
        against_share(axes, s, head.contribution, every, size=6)
        charts.label(axes, SHARE, TOWARDS, name)
    return figure


@picture(
    "The circuit for the total as a graph",
    "Edges as wide as LDu falls when each alone carries a balanced string and the model reads one "
    "whose only fault is the total. Shown are the document's edges, from head 0.0 through the MLPs "
    "to the total head, and the ten widest others, which show what the account leaves out.",
)
def total_circuit(subject: Any) -> Figure:
    return drawing.draw_known(classifier(subject).edges.document, others=10)


@picture(
    "Faithfulness of circuits by size",
    "Share of LDu, between strings with a wrong total and balanced ones, that a circuit keeps when "
    "all other edges carry the balanced string, by its number of edges: the top edges by exact "
    "effects, EAP and EAP-IG, and beside them the document's circuit, ACDC's, and the best of 40 "
    "random ones of the document's size.",
)
def faithfulness_by_size(subject: Any) -> Figure:
    known = classifier(subject).edges.document
    return drawing.draw_sizes(known, (0, 3, 6, 10, 15, 20, 30, 45, 60, 80, 100))


@picture(
    "Scrubbed loss by class",
    "Mean loss of each class of strings under hypotheses about the direct paths of heads 1.0, 2.0 "
    "and 2.1 (causal scrubbing): 0a scrubs nothing, in 1a they depend on the count and on the "
    "horizon, in 1b also on the first bracket, in 2a through head 0.0, and 0b pairs outputs with "
    "the labels of other strings.",
)
def scrubbed_loss_by_class(subject: Any) -> Figure:
    losses = classifier(subject).scrubbing.by_class_of(*SCRUBBED)
    classes = list(losses[SCRUBBED[0]])
    figure, (panels,) = charts.canvas(len(classes), width=3, height=3.5)
    for axes, name in zip(panels, classes, strict=True):
        charts.bars(axes, SCRUBBED, [losses[one][name] for one in SCRUBBED])
        charts.label(axes, "hypothesis", "loss (nats)" if axes is panels[0] else "", name)
    return figure


PICTURES: tuple[Picture, ...] = (
    string_lengths,
    components_at_position_0,
    total_head_against_negative_head,
    heads_by_open_share,
    circuit.total_head_attention,
    circuit.components_before_the_total_head,
    circuit.mlps_by_open_share,
    circuit.two_relus,
    circuit.neurons_of_layer_0,
    circuit.neurons_of_layer_1,
    circuit.named_neurons,
    circuit.layer_0_attention,
    circuit.layer_0_attention_from_close,
    circuit.elevation_head_attention,
    total_circuit,
    faithfulness_by_size,
    scrubbed_loss_by_class,
)
