"""Ablations as edits: parts of a model replaced by their mean over the data set, or by zero.

What is asked for twice is the same edit, and `Task` runs it once.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import torch
from torch import Tensor

from replications.models import Edit, Head, apply, put, sites
from replications.systems.algorithmic.task import PER_HEAD, Task


def mean(
    task: Task,
    head: Head,
    *,
    of: Literal["z", "v"] = "z",
    spare: Collection[int] = (),
    by_position: bool = True,
) -> Edit:
    """Replace a head's output ("z") or value vectors ("v") by their mean over the data set.

    W_O is linear, so a mean output is a mean of z. There is a mean for each position, or with
    `by_position=False` one for all. Positions in `spare` keep what they have. For sequences as
    long as those of the data set.
    """
    name = ("mean", head, of, frozenset(spare), by_position)
    return task.once(name, lambda: _mean(task, head, of, spare, by_position))


def _mean(
    task: Task, head: Head, of: Literal["z", "v"], spare: Collection[int], by_position: bool
) -> Edit:
    values = task.per_head(of, head).mean(0)
    if not by_position:
        values = values.mean(0).expand_as(values)
    kept = torch.zeros(len(values), 1, dtype=torch.bool)
    kept[list(spare)] = True

    def change(current: Tensor) -> Tensor:
        means = values.to(current).expand_as(current)
        return torch.where(kept.to(current.device), current, means)

    return apply(PER_HEAD[of](head[0]).pick(head=head[1]), change)


def zero(task: Task, head: Head, **pick: int) -> Edit:
    """Replace a head's output by zero; what that means depends on where value biases are."""
    place = sites.Z(head[0]).pick(head=head[1], **pick)
    return task.once(("zero", place), lambda: put(place, torch.zeros(())))


def at(task: Task, head: Head, position: int) -> Edit:
    """Replace a head's output by its mean over the data set, at one position."""
    return mean(task, head, spare=[p for p in range(task.tokens.shape[1]) if p != position])


def zero_at(task: Task, head: Head, position: int) -> Edit:
    """Replace a head's output by zero, at one position."""
    return zero(task, head, pos=position)
