"""Which head plays which part: the published indices, or found by what the heads do.

No head has two roles, and the helper comes in a layer before the total head. Where no head is left
for it the role is empty: what is measured of it is then an effect of zero, which no claim about the
helper accepts, so the finding does not hold there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from replications.models import Head
from replications.systems.brackets.data import suffix_counts
from replications.systems.brackets.recording import HEADS, head_label
from replications.systems.brackets.task import Task


@dataclass(frozen=True)
class Roles:
    """The heads of the circuit; by default those of the published model."""

    elevation: Head = (0, 0)
    """Tallies brackets in layer 0."""
    helper: Head | None = (1, 1)
    """Tells the total head of negative suffixes. None if no head can."""
    total: Head = (2, 0)
    """Writes "unbalanced" where the total elevation is wrong."""
    negative: Head = (2, 1)
    """Writes "unbalanced" where some suffix is negative."""

    @property
    def labels(self) -> list[str]:
        """The heads as the document writes them: elevation, helper, total, negative.

        "none" for a helper that is not there.
        """
        heads = (self.elevation, self.helper, self.total, self.negative)
        return [head_label(head) if head else "none" for head in heads]


PUBLISHED = Roles()


def find_roles(task: Task, *, shuffled_classes: bool = False) -> Roles:
    """The head of each role, by one rule for every model.

    total: the largest mean contribution u on strings whose only fault is the total.
    negative: of the other heads, the largest on strings whose only fault is a negative suffix.
    Both are looked for from layer 1 on, because before the first MLP nothing can tell a tally of
    zero from another one.
    elevation: the layer-0 head whose output at position 1 moves most with the share of '('.
    helper: the layer-1 head that adds most to the total head's input on negative strings, if the
    total head is in layer 2; the negative head is left out.
    If `shuffled_classes`, the strings of each failure are others, drawn at random.
    """
    T, N = task.T, task.N
    if shuffled_classes:
        order = torch.randperm(len(T), generator=torch.Generator().manual_seed(0))
        T, N = T[order], N[order]
    late = [head for head in HEADS if head[0] > 0]
    total = max(late, key=lambda h: task.contribution(h)[T].mean().item())
    rest = [head for head in late if head != total]
    negative = max(rest, key=lambda h: task.contribution(h)[N].mean().item())
    elevation = max((h for h in HEADS if h[0] == 0), key=lambda h: _tally_slope(task, h))
    return Roles(elevation, _helper(task, total, negative, N), total, negative)


def _tally_slope(task: Task, head: Head) -> float:
    """Length of the slope of the head's output at position 1 against the tally per bracket."""
    rows = task.data.starts_open
    opens, closes = suffix_counts(task.data.tokens[rows])
    tally = ((opens - closes)[:, 1] / (opens + closes)[:, 1]).double()
    output = task.recording.written_at(head_label(head), 1)[rows]
    tally = tally - tally.mean()
    slope: Tensor = (tally @ output) / tally.square().sum()
    return float(slope.norm())


def _helper(task: Task, total: Head, negative: Head, N: Tensor) -> Head | None:
    inputs = task.inputs(total)
    candidates = [head for head in HEADS if head[0] == 1 < total[0] and head != negative]
    return max(candidates, key=lambda h: inputs[head_label(h)][N].mean().item(), default=None)
