"""What every kind of patching returns: a metric for each patch, and for both unpatched runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.plotting.tabular import Tabular

if TYPE_CHECKING:
    from matplotlib.figure import Figure


LONGEST = 500
"""The longest axis that is drawn."""


def recovery(values: Tensor, base: Tensor, source: Tensor) -> Tensor:
    """(values - base) / (source - base): 0 where a patch changes nothing, 1 where it does all.

    `values` is [… batch], or [… batch answer]; `base` and `source` have its last axes.
    """
    return (values - base) / (source - base)


@dataclass(frozen=True)
class PatchingResult(Tabular):
    """A metric with each place patched alone, and without a patch.

    The metric is one number for each example. Where answers other than two were asked for,
    `values`, `base` and `source` have one more axis at their end: the answers' logits.
    """

    values: Tensor
    """The metric with a patch: [*axes batch]"""
    axes: tuple[str, ...]
    """Names of the axes before batch."""
    labels: Mapping[str, tuple[object, ...]]
    """What each index of an axis stands for."""
    base: Tensor
    """The metric of the unpatched base run: [batch]"""
    source: Tensor
    """The metric of the source run: [batch]"""

    def mean(self) -> Tensor:
        """The mean metric over the examples: [*axes]."""
        return self.values.mean(len(self.axes))

    def recovery(self) -> Tensor:
        """The share of the way from the base run's metric (0) to the source run's (1).

        [*axes batch]; infinite or NaN for an example in which both runs have the same metric.
        """
        return recovery(self.values, self.base, self.source)

    # ---------------------------------------------------------------- data frames and pictures
    @property
    def index(self) -> tuple[str, ...]:
        """The axes, then the example, then the answer if there is one for each."""
        answer = ("answer",) if self.values.ndim > len(self.axes) + 1 else ()
        return (*self.axes, "example", *answer)

    def columns(self) -> dict[str, Sequence[Any]]:
        """A row for each place and example: axes, `value`, `effect`, and both unpatched runs.

        `effect` is the recovery.
        """
        sizes = self.values.shape
        labels = [[_plain(label) for label in self.labels[axis]] for axis in self.axes]
        labels += [list(range(size)) for size in sizes[len(self.axes) :]]
        rows = list(product(*labels))
        found: dict[str, Sequence[Any]] = {
            name: [row[i] for row in rows] for i, name in enumerate(self.index)
        }
        numbers = {
            "value": self.values,
            "effect": self.recovery(),
            "base": self.base.expand(sizes),
            "source": self.source.expand(sizes),
        }
        return found | {name: of.flatten().tolist() for name, of in numbers.items()}

    def figure(self) -> Figure:
        """The mean recovery as a heatmap, or a panel for each entry of the first of three axes.

        Examples in which both runs have the same metric are left out. Call it inside
        `charts.style()`. Raises BadInput without matplotlib, for more axes, and where answers
        other than two were asked for.
        """
        from replications.plotting import charts

        long = max(self.values.shape[: len(self.axes)]) > LONGEST
        if long or not 1 <= len(self.axes) <= 3 or self.values.ndim > len(self.axes) + 1:
            raise BadInput(f"a result with the axes {', '.join(self.index)} makes no heatmap")
        effects = self.recovery()
        mean = torch.where(effects.isfinite(), effects, torch.nan).nanmean(-1)
        x, y = self.axes[-1], self.axes[-2] if len(self.axes) > 1 else ""
        panels = {"mean effect": mean if mean.ndim > 1 else mean[None]}
        if mean.ndim == 3:
            names = self.labels[self.axes[0]]
            panels = {f"{self.axes[0]} {_plain(n)}": m for n, m in zip(names, mean, strict=True)}
        return charts.heatmaps(
            panels, charts.Scale("effect (1: source)", "RdBu"), x=x, y=y,
            x_ticks=[str(_plain(label)) for label in self.labels[x]],
            y_ticks=[str(_plain(label)) for label in self.labels[y]] if y else [""],
        )  # fmt: skip


def _plain(label: object) -> int | str:
    """A label as a table has it."""
    return label if isinstance(label, int) else str(label)
