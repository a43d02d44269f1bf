"""Which head plays which part: the document's indices for gelu-2l, or found by what heads do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor

from replications.models import Head
from replications.systems.name_recall.data import END
from replications.systems.name_recall.task import Task

Role = Literal["previous", "duplicate", "copying", "second"]
ROLES: tuple[Role, ...] = ("previous", "duplicate", "copying", "second")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Roles:
    """A head for each part of the circuit.

    previous: writes the first name at the last name's position; 0.2 in gelu-2l.
    duplicate: finds the first occurrence of the first name; 0.1.
    copying: copies the last name to the last token, an induction head; 1.6.
    second: another head of the copying head's layer that helps; 1.1.
    also_copying: further heads with the copying head's role; none in gelu-2l.
    by_index: whether reports call the heads by index ("0.2"), as the document does, and not by
    role ("previous").
    """

    previous: Head
    duplicate: Head
    copying: Head
    second: Head
    also_copying: tuple[Head, ...] = ()
    by_index: bool = False

    @property
    def all_copying(self) -> tuple[Head, ...]:
        """The copying head, then those that share its role."""
        return (self.copying, *self.also_copying)

    def label(self, head: Head) -> str:
        """The name of a head's role, or its index where it has none or `by_index` is set.

        A head with two roles is called by the one that comes first in `ROLES`.
        """
        roles = [] if self.by_index else [role for role in ROLES if getattr(self, role) == head]
        return roles[0] if roles else f"{head[0]}.{head[1]}"

    def exchange(self, found: dict[str, Value], one: Role, other: Role) -> dict[str, Value]:
        """Values by label of a head, with those of the heads of two roles exchanged."""
        a, b = self.label(getattr(self, one)), self.label(getattr(self, other))
        return found | {a: found[b], b: found[a]}


PUBLISHED = Roles(previous=(0, 2), duplicate=(0, 1), copying=(1, 6), second=(1, 1), by_index=True)
"""The heads that the document names in gelu-2l (Method 2)."""


def find_roles(task: Task) -> Roles:
    """The head of each role, by one rule for every model.

    previous, duplicate: the layer-0 heads with the highest previous-token and duplicate-token
    scores.  The heads of the last layer with at least half of its highest induction score copy.
    copying: the copying head whose output at the last token has the largest effect in the
    last-name corruption.  second: the other head of that layer with the largest.
    """
    last, scores = task.layers - 1, task.scores
    previous, duplicate, induction = (
        score.mean(-1)
        for score in (scores.previous[0], scores.duplicate[0], scores.induction[last])
    )
    effect = task.effect("heads_by_position", "last_name")[last, :, END]
    copies = induction >= induction.max() / 2
    # If every head copies, the one with the lowest score stands in for the second.
    copies[induction.argmin()] &= not copies.all()
    copying = _best(effect.where(copies, -torch.inf))
    return Roles(
        previous=(0, _best(previous)),
        duplicate=(0, _best(duplicate)),
        copying=(last, copying),
        second=(last, _best(effect.where(~copies, -torch.inf))),
        also_copying=tuple((last, h) for h in copies.nonzero()[:, 0].tolist() if h != copying),
    )


def _best(values: Tensor) -> int:
    return int(values.argmax())
