"""Panels and words that several pictures of the bracket document share.

Heads are named by role and index: in the published model "total head 2.0" is what the document
calls 2.0, in a retrained model it is the head found to do the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from replications.plotting import charts
from replications.plotting.pictures import CannotDraw
from replications.systems.brackets.measure import BracketSubject
from replications.systems.brackets.recording import COMPONENTS, head_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TOWARDS = "contribution to “unbalanced”"
SHARE = "share of '(' among the brackets"


def classifier(subject: Any) -> BracketSubject:
    """The subject, if it is a bracket classifier.  CannotDraw if not."""
    if not isinstance(subject, BracketSubject):
        raise CannotDraw("the constructions make single arguments; none is a bracket classifier")
    return subject


def titles(s: BracketSubject) -> dict[str, str]:
    """Title of each component; a head with a role is named with it."""
    roles = {"elevation": s.roles.elevation, "helper": s.roles.helper}
    roles |= {"total": s.roles.total, "negative": s.roles.negative}
    found = {c: f"head {c}" if "." in c else c for c in COMPONENTS} | {"emb": "embeddings"}
    for role, head in roles.items():
        if head is not None:
            found[head_label(head)] += f", {role}"
    return found


def failure_types(s: BracketSubject) -> dict[str, Tensor]:
    """The document's four classes, each bool [n]. Larger classes come first, so that they are drawn
    below the smaller ones."""
    return {
        "balanced": s.task.data.balanced,
        "both failures": s.task.data.both,
        "only the total": s.task.data.only_total,
        "only a negative suffix": s.task.data.only_negative,
    }


def by_type(s: BracketSubject, x: Tensor, y: Tensor, rows: Tensor) -> dict[str, Any]:
    """Failure type → the points (x, y) of those of its strings that are in `rows`."""
    types = failure_types(s).items()
    return {name: (x[rows & mask], y[rows & mask]) for name, mask in types}


def total(s: BracketSubject) -> str:
    """The total head with its label, for titles."""
    return f"total head {s.total_head.label}"


def negative(s: BracketSubject) -> str:
    """The negative head with its label, for titles."""
    return f"negative head {s.negative_head.label}"


def by_way(s: BracketSubject) -> str:
    """Label of an axis with values along the direction that the total head reads."""
    return f"{TOWARDS}\nby way of {total(s)}"


def against_share(axes: Axes, s: BracketSubject, values: Tensor, rows: Tensor, size: float) -> None:
    """Scatter one value per string against its share of '(', coloured by failure type."""
    axes.axhline(0, color=charts.GREY, linewidth=0.6)
    axes.axvline(0.5, color=charts.GREY, linewidth=0.6)
    charts.scatter(axes, by_type(s, s.task.data.open_share, values, rows), size=size)
    axes.set_xlim(-0.02, 1.02)


def component_histograms(
    s: BracketSubject, values: Mapping[str, Tensor], low: float, high: float, step: float
) -> Figure:
    """Component → values [n], one panel each, from `low` to `high` in bins of width `step`."""
    named = titles(s)
    panels = {
        named[c]: {"balanced": x[s.task.B], "unbalanced": x[~s.task.B]} for c, x in values.items()
    }
    bins = torch.linspace(low, high, round((high - low) / step) + 1).tolist()
    return charts.histograms(panels, x=TOWARDS, bins=bins)
