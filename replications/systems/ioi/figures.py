"""The pictures of the document, drawn from the measurements of one model.

In GPT-2 small, heads have their published indices. In toy models they are found by what they do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from replications.models import Head, sites
from replications.plotting import charts
from replications.plotting.charts import Scale
from replications.plotting.pictures import CannotDraw, Picture, picture
from replications.systems.ioi.data import POSITION, TOKEN
from replications.systems.ioi.measure import IoiSubject
from replications.systems.ioi.measurements import STANDS_OUT, Ablation
from replications.systems.ioi.roles import Heads

EFFECT = Scale("change, % of the gap to ABC", "RdBu")
CHANGE = replace(charts.SHARE, unit="change, share of clean")
PARTS = {
    "heads": "other heads",
    "mlps": "MLPs",
    "scale": "scale of the final LayerNorm",
    "left": "what the head's mean still writes",
}


# -------------------------------------------------------------------------------------- subjects
def _model(subject: Any) -> IoiSubject:
    if not isinstance(subject, IoiSubject):
        raise CannotDraw("this subject is texts and printed numbers: there is no model to measure")
    return subject


def _name(head: Head) -> str:
    return f"{head[0]}.{head[1]}"


def _names(heads: Iterable[Head]) -> str:
    return ", ".join(map(_name, heads))


def _filled(heads: Heads, role: str) -> Heads:
    """The heads of a role.  CannotDraw if no head of the model fills it."""
    if not heads:
        raise CannotDraw(f"no head of this model is {role}")
    return heads


# -------------------------------------------------------------------------------------- pictures
@picture(
    "Attention of the induction heads",
    "Averaged over 32 texts of repeated random tokens; ′ marks the second copy. An induction head "
    "attends from there to the token after the first copy. Its score, above each panel, is the "
    "mean attention along that diagonal.",
)
def induction_attention(subject: Any) -> Figure:
    s = _model(subject)
    heads, texts = _filled(s.roles.induction, "an induction head"), s.task.repeated_tokens
    copy = [str(i + 1) for i in range(texts.length)]
    names = [*(["BOS"] if s.task.bos else []), *copy, *(f"{word}′" for word in copy)]
    scores = texts.scores().induction.mean(-1)
    return charts.heatmaps(
        {f"{_name(h)}, score {scores[h]:.2f}": texts.attention(h) for h in heads},
        charts.ATTENTION,
        x="source token",
        y="destination token",
        x_ticks=names,
        y_ticks=names,
        cell=0.17,
    )


@picture(
    "Path patching into the keys of the induction heads",
    "Change of the logit difference when the keys of the induction heads receive from one head its "
    "output on prompts with three names (ABC), and all else is held: 0 is clean, -100 % is as bad "
    "as ABC. Grey heads come after all induction heads. In the document the previous-token heads "
    "stand out.",
)
def paths_to_induction_keys(subject: Any) -> Figure:
    s = _model(subject)
    heads = _filled(s.roles.induction, "an induction head")
    effects = s.task.path_effect_of_each(sites.K, heads)
    if not effects:
        raise CannotDraw(
            f"the induction heads ({_names(heads)}) are in the first layer: no head comes before "
            "them"
        )
    shape = s.task.lens.shape
    found = torch.full((shape.n_layers, shape.n_heads), math.nan, dtype=torch.float64)
    for head, effect in effects.items():
        found[head] = 100 * effect
    panels = {f"keys of {_names(heads)}": found}
    figure = charts.heatmaps(panels, EFFECT, x="head", y="layer", cell=_cell(s, panels))
    return _widened(figure)


def _cell(s: IoiSubject, panels: Mapping[str, Tensor]) -> float:
    """Side of a cell in inches, so that panels of layers and heads fit side by side."""
    return min(0.4, 9 / (len(panels) * s.task.lens.shape.n_heads))


def _widened(figure: Figure) -> Figure:
    """The figure, made wide enough for the words beside few columns: cells need not be square."""
    figure.set_figwidth(max(4.5, figure.get_figwidth()))
    return figure


@picture(
    "Direct attribution by head, before and after ablation",
    "Mean contribution of each head to logit(IO) - logit(S), in the intact model, with the top "
    "name mover replaced by its mean over ABC prompts at the last token, and the change.",
)
def attribution(subject: Any) -> Figure:
    s = _model(subject)
    before, after = _before_and_after(s)
    ablated = _name(s.roles.name_mover)
    panels = {"no ablation": before, f"{ablated} ablated": after, "change": after - before}
    return charts.heatmaps(panels, charts.CONTRIBUTION, x="head", y="layer", cell=_cell(s, panels))


def _before_and_after(s: IoiSubject) -> tuple[Tensor, Tensor]:
    """Mean direct attribution, intact and ablated: each [layer head]."""
    return s.name_movers.direct, s.name_movers.ablation.after.heads.mean(-1)


@picture(
    "Direct attribution, original against ablated",
    "One point for each head. Below y = x a head contributes more after the ablation: it is a "
    "backup, or a negative head that has become weaker. Heads that change by 0.1 or more are "
    "named. Axes have the ranges of the document, or wider ones where a head would be outside.",
)
def attribution_scatter(subject: Any) -> Figure:
    s = _model(subject)
    before, after = _before_and_after(s)
    figure, ((axes,),) = charts.canvas(width=6, height=5)
    own = torch.zeros_like(before, dtype=torch.bool)
    ablated = s.roles.name_mover
    own[ablated] = True
    stands_out = (after - before).abs() >= STANDS_OUT
    classes = {
        "the ablated head": own,
        f"changes by {STANDS_OUT} or more": stands_out & ~own,
        "other heads": ~stands_out & ~own,
    }
    points = {name: (after[which], before[which]) for name, which in classes.items()}
    charts.scatter(axes, points, size=22)
    _label_points(axes, after, before, stands_out | own)
    charts.diagonal(axes)
    axes.set_xlim(*_around_zero(after, 1.0))
    axes.set_ylim(*_around_zero(before, 2.0))
    unit = "attribution (logits)"
    charts.label(axes, f"{unit}, {_name(ablated)} ablated", f"{unit}, original")
    return figure


def _label_points(axes: Axes, x: Tensor, y: Tensor, which: Tensor) -> None:
    """Write the names of some heads of [layer head], each on the side away from the next point."""
    every = [(layer, head) for layer, row in enumerate(which) for head in range(len(row))]
    for head in (h for h in every if which[h]):
        away = {h: math.hypot(x[h] - x[head], y[h] - y[head]) for h in every if h != head}
        nearest = min(away, key=lambda h: away[h])
        step, side = (-5, "right") if x[nearest] > x[head] else (5, "left")
        axes.annotate(
            _name(head), (x[head].item(), y[head].item()), (step, 0), fontsize=8,
            textcoords="offset points", ha=side, va="center",
        )  # fmt: skip


def _around_zero(values: Tensor, least: float) -> tuple[float, float]:
    """Limits that hold all values, at least ± `least`."""
    top = max(least, 1.1 * values.abs().max().item())
    return -top, top


@picture(
    "Scale of the final LayerNorm",
    "What the final LayerNorm divides by at the last token, one point for each prompt. The title "
    "gives the mean ratio of no ablation over ablation: by this factor every contribution grows. "
    "It is 1.04 in the document.",
)
def final_scale(subject: Any) -> Figure:
    s = _model(subject)
    ablation = s.name_movers.ablation
    before, after = ablation.before.scale, ablation.after.scale
    figure, ((axes,),) = charts.canvas(width=5, height=4.4)
    charts.scatter(axes, {"prompts": (before, after)}, size=22)
    low, high = (charts.array(f(torch.stack([before, after]))) for f in (torch.min, torch.max))
    room = 0.05 * (high - low)
    axes.set(xlim=(low - room, high + room), ylim=(low - room, high + room), aspect="equal")
    charts.diagonal(axes)
    title = f"average ratio {ablation.scale_ratio:.4f}"
    charts.label(axes, "scale, no ablation", f"scale, {_name(s.roles.name_mover)} ablated", title)
    return figure


@picture(
    "What gives the answer back",
    "Not a plot of the document. Left: the logit difference of the intact model, as direct "
    "attribution predicts it without the head, and as measured without it. Right: where the "
    "distance between the last two comes from, as shares of the head's attribution, and their sum "
    "with its 95 % interval over prompts: 0 if nothing reacts, 1 if nothing is lost. The second "
    "bar is for every later head and MLP held at its output before the ablation.",
)
def self_repair(subject: Any) -> Figure:
    s = _model(subject)
    movers = s.name_movers
    ablation, ablated = movers.ablation, _name(s.roles.name_mover)
    figure, ((left, right),) = charts.canvas(2, width=4.4, height=3.6)
    numbers = {
        "intact": ablation.numbers["clean"],
        f"naive prediction\nwithout {ablated}": ablation.numbers["naive"],
        f"measured\nwithout {ablated}": ablation.numbers["ablated"],
    }
    drawn = left.bar(list(numbers), list(numbers.values()), width=0.6, color=charts.GREY)
    left.bar_label(drawn, fmt="%.2f", padding=2)
    left.axhline(0, color="black", linewidth=0.8)
    left.margins(y=0.1)
    charts.label(left, "", "logit difference")
    _stacked(
        right,
        {f"{ablated} ablated": ablation, f"{ablated} ablated,\nlater parts held": movers.held},
    )
    charts.label(right, "", f"share of {ablated}'s attribution")
    charts.legend(figure)
    return figure


def _stacked(axes: Axes, bars: Mapping[str, Ablation]) -> None:
    """Draw the recovery by its origin; negative parts hang below zero."""
    names = list(bars)
    shares = np.array([[a.recovered_by[part] for part in PARTS] for a in bars.values()])
    for i, (part, colour) in enumerate(zip(PARTS.values(), charts.COLOURS, strict=False)):
        if not shares[:, i].any():
            continue  # a model without MLPs
        same_sign = np.sign(shares[:, :i]) == np.sign(shares[:, i : i + 1])
        under = (shares[:, :i] * same_sign).sum(1)
        axes.bar(names, shares[:, i], 0.5, bottom=under, color=colour, label=part)
    for x, ablation in enumerate(bars.values()):
        found = ablation.recovery_interval
        ends = [[found["mean"] - found["low"]], [found["high"] - found["mean"]]]
        axes.errorbar(
            [x + 0.33], [found["mean"]], ends, fmt="o", color="black", ms=4, capsize=3,
            label="sum, 95 % interval",
        )  # fmt: skip
    axes.axhline(0, color="black", linewidth=0.8)


@picture(
    "Logit difference by signal",
    "The outputs of all S-inhibition heads are replaced by those on prompts where the token "
    "signal, the position signal or both are exchanged. In the top left cell nothing is exchanged. "
    "In the document the steps between rows and between columns are nearly constant, and the "
    "position step is the larger one.",
)
def signals(subject: Any) -> Figure:
    s = _model(subject)
    heads = _filled(s.roles.s_inhibition, "an S-inhibition head")
    together = {_names(heads): s.position_against_token.together.cells}
    return _tables(together, charts.DIFFERENCE)


@picture(
    "Logit difference by signal, head by head",
    "As in the table of all S-inhibition heads, but with the outputs of one head replaced at a "
    "time, and as a change relative to the clean logit difference: 0 is no effect, -1 is as good "
    "as guessing between the two names.",
)
def signals_by_head(subject: Any) -> Figure:
    s = _model(subject)
    heads = _filled(s.roles.s_inhibition, "an S-inhibition head")
    tables = s.position_against_token.each(heads)
    clean = tables[0].cells[0, 0]
    shares = [(table.cells - clean) / clean for table in tables]
    return _tables(dict(zip(map(_name, heads), shares, strict=True)), CHANGE)


def _tables(panels: Mapping[str, Tensor], scale: Scale) -> Figure:
    """Panels of token signal by position signal, with the numbers written in the cells."""
    figure = charts.heatmaps(
        panels,
        scale,
        x="position signal",
        y="token signal",
        x_ticks=POSITION,
        y_ticks=TOKEN,
        columns=4,
        cell=0.8,
    )
    for axes, values in zip(figure.axes, panels.values(), strict=False):
        axes.tick_params(axis="x", rotation=0)
        _, top = axes.images[0].get_clim()
        for (row, column), value in np.ndenumerate(charts.array(values)):
            colour = "white" if abs(value) > 0.6 * top else "black"
            words = f"{value:.2f}".replace("-0.00", "0.00")
            axes.text(column, row, words, ha="center", va="center", color=colour)
    return _widened(figure)


PICTURES: tuple[Picture, ...] = (
    induction_attention,
    paths_to_induction_keys,
    attribution,
    attribution_scatter,
    final_scale,
    self_repair,
    signals,
    signals_by_head,
)
NOT_DRAWN: dict[str, str] = {}
