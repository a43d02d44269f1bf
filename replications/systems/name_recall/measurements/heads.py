"""Method 2: which heads matter, and at which positions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.models import Head, sites
from replications.systems.name_recall.data import CORRUPTIONS, END, LAST, Corruption
from replications.systems.name_recall.roles import Roles
from replications.systems.name_recall.task import Task


class Heads:
    """Patched heads on the task's prompts.  Effects are shares of the clean metric."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self._task = task
        self._roles = roles

    def cell(self, head: Head, position: int, corruption: Corruption) -> float:
        """The effect of one head at one position."""
        return self._cells(corruption)[head][position].item()

    def _cells(self, corruption: Corruption) -> Tensor:
        """The effect of each head at each position: [layer head pos]."""
        return self._task.effect("heads_by_position", corruption) / self._task.metric()

    def _by_label(self, effects: Tensor) -> dict[str, float]:
        """Effects [layer head], by the label of the head."""
        return {
            self._roles.label((layer, head)): effects[layer, head].item()
            for layer in range(effects.shape[0])
            for head in range(effects.shape[1])
        }

    def importance(self, corruptions: Sequence[Corruption] = CORRUPTIONS) -> dict[str, float]:
        """The effect of each whole head, the largest over some corruptions, by label."""
        maps = [self._task.effect("heads", c) / self._task.metric() for c in corruptions]
        return self._by_label(torch.stack(maps).amax(0))

    # ---------------------------------------------------------------- by position
    def writers_of_last_name(self, positions: Sequence[int] = (END,)) -> dict[str, float]:
        """The copying and the second head in the last-name corruption, at some positions.

        Their effects there are the largest over `positions`.  cells_above: how many cells of other
        heads, at any position, exceed the smaller of the two, those of heads that share the
        copying head's role left out; copying: the effect of the copying head; over_second: the
        same less one and a half times the second head's.
        """
        cells, roles = self._cells("last_name"), self._roles
        copying, second = (
            cells[head][list(positions)].max().item() for head in (roles.copying, roles.second)
        )
        rest = cells.clone()
        for head in (*roles.all_copying, roles.second):
            rest[head] = -torch.inf
        return {
            "cells_above": int((rest > min(copying, second)).sum()),
            "copying": copying,
            "over_second": copying - 1.5 * second,
        }

    def writers_at_last_name(self, corruption: Corruption) -> dict[str, float]:
        """The effect of each layer-0 head at the last name's position, by label."""
        return self._by_label(self._cells(corruption)[:1, :, LAST])

    def breaks(self, first: Corruption, second: Corruption) -> dict[str, float]:
        """Effects of the duplicate-token and the copying head at the last token.

        The parts ending in "first" are measured in one corruption, those in "second" in another.
        """
        roles = self._roles
        return {
            "duplicate_first": self.cell(roles.duplicate, END, first),
            "duplicate_second": self.cell(roles.duplicate, END, second),
            "copying_first": self.cell(roles.copying, END, first),
            "copying_second": self.cell(roles.copying, END, second),
        }

    # ---------------------------------------------------------------- signs
    def signs(self, heads: Sequence[Head]) -> dict[str, float]:
        """What is left of the metric when heads are patched together at the last token.

        By corruption, as a share of the clean metric (Interlude: Guessing the answers).
        """
        task = self._task
        found: dict[str, float] = {}
        places = [sites.Z(layer).pick(head=head, pos=END) for layer, head in heads]
        for corruption in CORRUPTIONS:
            left = task.difference(task.patched(places, corruption)).mean().item()
            found[corruption] = stats.ratio(left, task.metric())
        return found
