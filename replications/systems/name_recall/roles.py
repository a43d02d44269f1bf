"""The heads of the circuit: by published index, or found by what they do on random tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from replications.systems.name_recall.measure import NameRecallSubject

Head = tuple[int, int]
"""Layer and head."""


@dataclass(frozen=True)
class Roles:
    """A head for each part of the circuit.

    previous: writes the first name at the last name's position; 0.2 in gelu-2l.
    duplicate: finds the first name's first occurrence; 0.1.
    copying: copies the last name to the end; 1.6.
    second: another head of the copying head's layer that helps; 1.1.
    also_copying: heads that share the copying head's role; none in gelu-2l.
    """

    previous: Head
    duplicate: Head
    copying: Head
    second: Head
    also_copying: tuple[Head, ...] = ()

    @property
    def all_copying(self) -> tuple[Head, ...]:
        return (self.copying, *self.also_copying)

    @property
    def labels(self) -> dict[Head, str]:
        """The name of the role of each head; of two for one head, the first."""
        names = ("second", "copying", "duplicate", "previous")
        return {getattr(self, name): name for name in names}


GELU_2L = Roles(previous=(0, 2), duplicate=(0, 1), copying=(1, 6), second=(1, 1))


def find_roles(subject: NameRecallSubject) -> Roles:
    """The head of each role, by one rule for every model.

    previous and duplicate: the layer-0 heads with the highest previous-token and duplicate-token
    scores on random tokens said twice.  Heads of the last layer with at least half of its highest
    induction score copy; of these copying, and of the others second, is the one whose output at
    the last token matters most for the last name.
    """
    last, scores = subject.layers - 1, subject.attention.scores
    previous, duplicate, induction = (
        score.mean(-1)
        for score in (scores.previous[0], scores.duplicate[0], scores.induction[last])
    )
    matters = subject.patches.effect("heads_by_position", "last_name")[last, :, -1]
    copies = induction >= induction.max() / 2
    # Where every head copies there is no other, and the least of them stands in.
    copies[induction.argmin()] &= not copies.all()
    copying = _best(matters.where(copies, -torch.inf))
    return Roles(
        previous=(0, _best(previous)),
        duplicate=(0, _best(duplicate)),
        copying=(last, copying),
        second=(last, _best(matters.where(~copies, -torch.inf))),
        also_copying=tuple((last, h) for h in copies.nonzero()[:, 0].tolist() if h != copying),
    )


def _best(values: Tensor) -> int:
    return int(values.argmax())
