"""Edits: changes that a run makes to activations on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from replications.errors import BadInput
from replications.models.sites import Place


@dataclass(frozen=True, eq=False)
class Edit:
    """A change to the picked part of a place: `change(current, rows)` returns its new value.

    `rows` says which examples are being run, for edits that have a value for each example. Two
    edits are equal only if they are one: their functions cannot be compared.
    """

    place: Place
    change: Callable[[Tensor, slice], Tensor]


def put(place: Place, value: Tensor) -> Edit:
    """Set the place to one value for every example; it broadcasts against the picked part."""
    return Edit(place, lambda current, rows: value.to(current).expand_as(current))


def put_rows(place: Place, values: Tensor) -> Edit:
    """Set the place to `values[i]` for example i. A run of more examples raises BadInput."""

    def change(current: Tensor, rows: slice) -> Tensor:
        # Otherwise a last batch of one row would be given to several examples by broadcasting.
        if rows.stop > len(values):
            raise BadInput(
                f"put_rows at {place!r} has {len(values)} rows, but the run has more examples; "
                "give one row for each"
            )
        return values[rows].to(current).expand_as(current)

    return Edit(place, change)


def apply(place: Place, change: Callable[[Tensor], Tensor]) -> Edit:
    """Set the place to `change` of its present value."""
    return Edit(place, lambda current, rows: change(current))
