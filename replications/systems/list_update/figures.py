"""The pictures of the list-update document, drawn from the measurements of one model.

The document's batches have one index each, and so have the means drawn here: the prompts that
update index 1, which is the second element, as the prompt that the document prints.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from replications.circuits import drawing
from replications.errors import BadInput, FixtureMissing
from replications.models import sites
from replications.plotting import charts
from replications.plotting.charts import Scale
from replications.plotting.pictures import CannotDraw, Picture, picture
from replications.systems.list_update.format import DOCUMENT, Format
from replications.systems.list_update.measure import ListUpdateSubject
from replications.systems.list_update.measurements.patching import Patching

INDEX = 1
"""The index that the document's prompt updates."""
ANSWER = "contribution to the logit of the answer"
RECOVERED = replace(charts.SHARE, unit="recovered share")
SCORE = replace(charts.SCORES, unit="attention score × √d_head")
PATCHED = {
    "residual stream before the layer": sites.RESID_PRE,
    "output": sites.Z,
    "query": sites.Q,
    "key": sites.K,
    "value": sites.V,
    "pattern": sites.PATTERN,
}


# -------------------------------------------------------------------------------------- subjects
def _model(subject: Any) -> ListUpdateSubject:
    if not isinstance(subject, ListUpdateSubject):
        raise CannotDraw("the generator makes prompts; there is no model to measure")
    return subject


def _two_layers(subject: Any) -> ListUpdateSubject:
    s = _model(subject)
    if s.lens.shape.n_layers < 2:
        raise CannotDraw("it shows how one head uses what another wrote; this model has one layer")
    return s


def _heads(s: ListUpdateSubject) -> list[str]:
    return [f"head {layer}.{number}" for layer, number in s.task.heads]


def _layers(s: ListUpdateSubject) -> list[str]:
    return [str(layer) for layer in range(s.lens.shape.n_layers)]


def _positions(format: Format) -> list[str]:
    """Every position of a prompt, with what stands there."""
    places = format.list_positions
    before = ["BOS", *(f"a{i}" for i in places), "NL", "index", "element", "NL"]
    return [f"{i} {word}" for i, word in enumerate([*before, *(f"b{i}" for i in places)])]


def _tokens(format: Format) -> list[str]:
    return [*(str(number) for number in range(format.numbers)), "BOS", "NL"]


def _predictions(values: Tensor, names: list[str]) -> dict[str, tuple[list[str], Tensor]]:
    """Lines for the predictions, from [name j]."""
    return {f"prediction of b{j + 1}": (names, values[:, j]) for j in range(values.shape[1])}


# -------------------------------------------------------------------------------------- pictures
@picture(
    "Training loss",
    "Cross-entropy of the answers at each training step, on a linear axis as in the document and "
    "on a logarithmic one. The dashed line is the loss of guessing all numbers alike.",
)
def training_loss(subject: Any) -> Figure:
    s = _model(subject)
    try:
        losses = s.loss_curve
    except (BadInput, FixtureMissing) as exc:
        raise CannotDraw(str(exc)) from exc
    figure, grid = charts.canvas(2)
    for axes, scale in zip(grid.flat, ("linear", "log"), strict=True):
        charts.lines(axes, {"loss": (range(len(losses)), losses)}, marks=False)
        axes.lines[0].set_linewidth(0.8)
        axes.axhline(
            math.log(s.task.format.numbers), color=charts.GREY, linestyle="--", linewidth=1
        )
        axes.set_yscale(scale)
        charts.label(axes, "training step", "loss of the answers (nats)", f"{scale} axis")
    return figure


@picture(
    "What writes the answers",
    "Direct attribution to the logit of the right answer, a line for each prediction: of the "
    "residual stream before each layer and after the last (logit lens), and of each component. "
    "In the document nearly all comes from head 1.0. Its term of the positional embeddings is left "
    "out: they never enter the stream.",
)
def attribution(subject: Any) -> Figure:
    s = _model(subject)
    streams = [f"before\nlayer {layer}" for layer in _layers(s)] + ["final"]
    figure, (panels,) = charts.canvas(2, sharey=True, height=3.4)
    charts.lines(panels[0], _predictions(s.attribution.accumulated, streams))
    charts.lines(panels[1], _predictions(s.attribution.components, ["embedding", *_heads(s)]))
    charts.label(panels[0], "residual stream", ANSWER, "logit lens")
    charts.label(panels[1], "component", "", "by component")
    for axes in panels:
        axes.margins(x=0.12)
        axes.axhline(0, color=charts.GREY, linewidth=0.8)
    return figure


@picture(
    "Attention of both heads",
    "Mean attention over the prompts that update index 1 (the second element): of head 1.0, of "
    "head 0.0, and of both in a row, the product A1 A0 (virtual). Answers are predicted one "
    "position before they stand, at 7, 8 and 9 for lists of three. With one layer there is head "
    "0.0 alone.",
)
def attention(subject: Any) -> Figure:
    s = _model(subject)
    first, last = s.task.heads[0], s.task.heads[-1]
    panels = {_heads(s)[-1]: s.task.pattern(last)}
    if first != last:
        panels["head 0.0"] = s.task.pattern(first)
        panels["virtual: 0.0, then 1.0"] = s.task.pattern(first, last)
    names = _positions(s.task.format)
    return charts.heatmaps(
        {name: s.task.by_index(values)[INDEX] for name, values in panels.items()},
        charts.ATTENTION,
        x="source position",
        y="destination position",
        x_ticks=names,
        y_ticks=names,
        cell=2.6 / len(names),
    )


@picture(
    "OV circuits",
    "What a token adds to the logit of each number if the head attends to it fully: through head "
    "1.0, and through head 0.0 and then head 1.0 (virtual). A blue diagonal copies. With one layer "
    "there is one head.",
)
def ov_circuits(subject: Any) -> Figure:
    s = _model(subject)
    first, last = s.task.heads[0], s.task.heads[-1]
    panels = {f"W_E OV({_heads(s)[-1]}) W_U": s.circuits.OV(last)}
    if first != last:
        panels["W_E OV(head 0.0) OV(head 1.0) W_U"] = s.circuits.OV(first, last)
    return charts.heatmaps(
        panels,
        charts.LOGITS,
        x="logit of number",
        y="source token",
        y_ticks=_tokens(s.task.format),
        cell=4.0 / s.task.format.numbers,
    )


def _patching(s: ListUpdateSubject) -> Patching:
    """On the printed pair if prompts have the document's format, else on generated pairs."""
    return s.printed if s.task.format == DOCUMENT else s.pairs


@picture(
    "Activation patching",
    "Share of the clean logit difference, new element against old, that comes back when one place "
    "of a prompt with a corrupted index is given its clean value: 0 is corrupted, 1 clean. Places "
    "are the residual stream at one position, and a head's output, query, key, value or row of "
    "attention there. On the document's prompt (14, 23, 48; index 1 becomes 26; corrupted index "
    "2); for other sizes of list, the mean over generated pairs that update index 1.",
)
def patching(subject: Any) -> Figure:
    s = _two_layers(subject)
    found = _patching(s)
    return charts.heatmaps(
        {name: found.mean_share(site, INDEX) for name, site in PATCHED.items()},
        RECOVERED,
        x="position",
        y="layer",
        x_ticks=_positions(s.task.format),
        y_ticks=_layers(s),
        columns=2,
    )


def _scores(s: ListUpdateSubject) -> tuple[Tensor, Tensor, Scale]:
    """K-composition [pos token] and causal position scores [query key], and their one scale."""
    composed, placed = s.circuits.k_composition_scores, s.circuits.position_scores
    hidden = torch.ones_like(placed, dtype=torch.bool).triu(1)
    causal = placed.masked_fill(hidden, math.nan)
    top = max(composed.abs().max().item(), causal.nan_to_num().abs().max().item())
    return composed, causal, replace(SCORE, low=-top, high=top)


@picture(
    "K-composition",
    "How much head 1.0, by position alone, is drawn to a place where head 0.0 has written a token: "
    "W_pos QK(1.0) OV(0.0)ᵀ W_Eᵀ. In the document each position that predicts (7, 8, 9) looks for "
    "its own index, a blue diagonal at tokens 0, 1, 2. Colours have the limits of the next "
    "picture.",
)
def k_composition(subject: Any) -> Figure:
    s = _two_layers(subject)
    composed, _, scale = _scores(s)
    figure = charts.heatmaps(
        {"W_pos QK(1.0) OV(0.0)ᵀ W_Eᵀ": composed},
        scale,
        x="source token",
        y="destination position",
        x_ticks=_tokens(s.task.format),
        y_ticks=_positions(s.task.format),
        cell=0.17,
    )
    figure.set_figheight(max(2.8, figure.get_figheight()))  # 100 numbers make flat cells
    return figure


@picture(
    "Where head 1.0 looks by default",
    "Scores between positions alone, W_pos QK(1.0) W_posᵀ; causal attention hides the grey part. "
    "In the document each position that predicts (7, 8, 9) looks at its own element of the list, "
    "about half as strongly as in K-composition, whose colours have the same limits.",
)
def default_positions(subject: Any) -> Figure:
    s = _two_layers(subject)
    _, causal, scale = _scores(s)
    names = _positions(s.task.format)
    return charts.heatmaps(
        {"W_pos QK(1.0) W_posᵀ": causal},
        scale,
        x="source position",
        y="destination position",
        x_ticks=names,
        y_ticks=names,
    )


@picture(
    "Two paths through head 1.0",
    "Its contribution to the logit of the answer, split exactly: from the embeddings directly, and "
    "from what head 0.0 moved there (both heads). First the mean of the first prediction, then all "
    "predictions by the updated element. In the document both paths matter, and the direct one "
    "more for the updated element than for the others.",
)
def two_paths(subject: Any) -> Figure:
    s = _two_layers(subject)
    paths, names = s.paths.terms, ["both heads", "direct"]
    terms = torch.stack([paths["two_heads"], paths["direct"]])
    updated = [terms[:, s.task.index == index].mean(1) for index in range(s.task.format.length)]
    figure, grid = charts.canvas(2, -(-(1 + len(updated)) // 2), height=2.6, sharey=True)
    first, *others = grid.flat
    first.bar(names, charts.array(terms[:, :, 0].mean(1)), width=0.5, color=charts.GREY)
    charts.label(first, "", "contribution (logits)", "prediction of b1, all prompts")
    for i, (axes, values) in enumerate(zip(others, updated, strict=False)):
        charts.lines(axes, _predictions(values, names))
        axes.margins(x=0.25)
        title = f"b{i + 1} updated (index {i})"
        charts.label(axes, "", "contribution (logits)" if i % 2 else "", title)
    for axes in others[len(updated) :]:
        axes.set_axis_off()
    return figure


@picture(
    "The circuit as a graph",
    "Edges as wide as the logit difference, new element against old, falls when each alone carries "
    "the prompt with another index. The document's three edges, embedding to the values of head "
    "0.0, to the keys of head 1.0, to the logits, should be by far the widest.",
)
def circuit(subject: Any) -> Figure:
    return drawing.draw_known(_two_layers(subject).edges.document, others=3)


@picture(
    "Faithfulness by size",
    "Share of the logit difference between clean and corrupted prompts that a circuit keeps while "
    "all other edges carry the corrupted prompt, by its number of edges: the top edges by exact "
    "effects, EAP and EAP-IG, and beside them the document's three, ACDC's, and the best other "
    "circuit of three.",
)
def faithfulness_by_size(subject: Any) -> Figure:
    known = _two_layers(subject).edges.document
    return drawing.draw_sizes(known, range(len(known.circuit.graph.edges) + 1))


PICTURES: tuple[Picture, ...] = (
    training_loss,
    attribution,
    attention,
    ov_circuits,
    patching,
    k_composition,
    default_positions,
    two_paths,
    circuit,
    faithfulness_by_size,
)
NOT_DRAWN: dict[str, str] = {}
