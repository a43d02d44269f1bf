"""Arrays that others published, as data with their sources, and how far a measurement is from one.

A file of figures is JSON: `source` (repository, path, commit, date, prompts), `figures` by name,
each with its `axes`, `values`, and `labels` for an axis whose indices have names. A `Distance` is
the largest difference between a measured array and a published one. It is a number that knows its
place, and says it wherever it is written as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from replications.errors import BadInput


class Distance(float):
    """The largest difference between measured and published values, in the unit of the values.

    `place` is where it is; `measured` and `published` are the two values there. Formatted, the
    number is followed by all three. It is NaN, at the first such place, if a value is NaN.
    """

    place: str
    measured: float
    published: float

    def __new__(cls, measured: float, published: float, place: str) -> Distance:
        made = super().__new__(cls, abs(measured - published))
        made.place, made.measured, made.published = place, measured, published
        return made

    @property
    def detail(self) -> str:
        """The place and the two values in words."""
        return f"at {self.place}: {self.measured:.6g}, published {self.published:.6g}"

    def __format__(self, spec: str) -> str:
        return f"{float(self):{spec}} ({self.detail})"


@dataclass(frozen=True, eq=False)
class Figure:
    """One published array: `values` are float64, with the axes that `axes` names."""

    name: str
    axes: tuple[str, ...]
    values: Tensor
    labels: Mapping[str, Sequence[str]]
    source: Mapping[str, str]

    def __len__(self) -> int:
        """How many numbers it has."""
        return self.values.numel()

    @property
    def origin(self) -> str:
        """Where it was published: repository, file and commit."""
        return "{repository}, {path} @ {commit}".format(**self.source)

    def label(self, index: int) -> str:
        """What an index of the flattened values stands for, as "layer 9, head 6"."""
        at = torch.unravel_index(torch.tensor(index), self.values.shape)
        named = zip(self.axes, map(int, at), strict=True)
        return ", ".join(
            self.labels[axis][i] if axis in self.labels else f"{axis} {i}" for axis, i in named
        )

    def distance(self, measured: Tensor) -> Distance:
        """How far `measured` is from it, at the place where it is farthest.

        Raises BadInput if `measured` has another shape.
        """
        if measured.shape != self.values.shape:
            raise BadInput(
                f"{self.name} was published as {[*self.values.shape]}, {' '.join(self.axes)}, and "
                f"measured as {[*measured.shape]}"
            )
        found = measured.detach().double().cpu()
        worst = int((found - self.values).abs().argmax())  # the first NaN, if there is any
        return Distance(
            found.flatten()[worst].item(), self.values.flatten()[worst].item(), self.label(worst)
        )


def read(path: Path) -> dict[str, Figure]:
    """The figures of a file, by name. Raises BadInput for a file that is not one of figures."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: _figure(name, f, content["source"]) for name, f in content["figures"].items()}
    except (KeyError, TypeError, ValueError) as exc:
        raise BadInput(f"{path.name} is not a file of published figures: {exc}") from exc


def _figure(name: str, entry: Mapping[str, object], source: Mapping[str, str]) -> Figure:
    axes, labels = str(entry["axes"]).split(), entry.get("labels", {})
    values = torch.tensor(entry["values"], dtype=torch.float64)
    assert isinstance(labels, Mapping)
    if values.ndim != len(axes) or not values.isfinite().all():
        raise BadInput(f"{name}: {[*values.shape]} finite numbers do not lie along {axes}")
    wrong = [a for a, names in labels.items() if len(names) != values.shape[axes.index(a)]]
    if wrong:
        raise BadInput(f"{name}: there is not one label for each index of {', '.join(wrong)}")
    return Figure(name, tuple(axes), values, labels, source)
