"""Changes that a run makes to activations on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from replications.errors import BadInput
from replications.models.sites import Place


@dataclass(frozen=True)
class Edit:
    """Change the picked part of a place: `change(current, rows)` returns its new value.

    `rows` is the slice of the batch being run, for edits that carry a value per example.
    """

    place: Place
    change: Callable[[Tensor, slice], Tensor]


def put(place: Place, value: Tensor) -> Edit:
    """Set the place to one value for every example; it broadcasts against the picked part."""
    return Edit(place, lambda current, rows: value.to(current).expand_as(current))


def put_rows(place: Place, values: Tensor) -> Edit:
    """Set the place to `values[i]` for example i. The run raises BadInput if rows are missing."""

    def change(current: Tensor, rows: slice) -> Tensor:
        # A single row left over would broadcast without a word.
        if rows.stop > len(values):
            raise BadInput(f"put_rows at {place!r}: {len(values)} rows for more examples")
        return values[rows].to(current).expand_as(current)

    return Edit(place, change)


def apply(place: Place, change: Callable[[Tensor], Tensor]) -> Edit:
    """Set the place to a function of what is there."""
    return Edit(place, lambda current, rows: change(current))
