"""Method 2: which heads matter, and at which positions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.models import Head, sites
from replications.systems.name_recall.data import CORRUPTIONS, END, LAST, Corruption
from replications.systems.name_recall.roles import ROLES, Roles
from replications.systems.name_recall.task import Task

FLOOR = 0.01
"""The smallest effect of a head at one position that counts, as a share of the clean metric."""


class Heads:
    """Patched heads on the task's prompts.  Effects are shares of the clean metric."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self._task = task
        self._roles = roles

    def cells(self, corruption: Corruption) -> Tensor:
        """The effect of each head at each position: [layer head pos]."""
        return self._task.effect("heads_by_position", corruption) / self._task.metric()

    def without_role(self, layer: int) -> list[Head]:
        """The heads of a layer that have no role."""
        heads = [(layer, head) for head in range(self._task.lens.shape.n_heads)]
        return [head for head in heads if head not in self._roles.taken]

    # ---------------------------------------------------------------- whole heads
    def _whole(self, corruptions: Sequence[Corruption]) -> Tensor:
        """The effect of each whole head, the largest over some corruptions: [layer head]."""
        maps = [self._task.effect("heads", c) / self._task.metric() for c in corruptions]
        return torch.stack(maps).amax(0)

    def importance(self, corruptions: Sequence[Corruption] = CORRUPTIONS) -> dict[str, float]:
        """The effect of each whole head, the largest over some corruptions, by label."""
        return self._roles.by_label(_by_head(self._whole(corruptions)), ROLES)

    def largest(self, heads: Sequence[Head]) -> float:
        """The largest effect of `heads`, each patched alone, over all corruptions; 0 for none."""
        whole = self._whole(CORRUPTIONS)
        return max((whole[head].item() for head in heads), default=0.0)

    # ---------------------------------------------------------------- by position
    def at_end(self, heads: Sequence[Head], corruption: Corruption) -> float:
        """The largest effect of `heads` at the last token, each patched alone; 0 for none."""
        cells = self.cells(corruption)[..., END]
        return max((cells[head].item() for head in heads), default=0.0)

    def writers_of_last_name(
        self, copying: Sequence[Head], second: Sequence[Head]
    ) -> dict[str, float]:
        """What heads at the last token do in the last-name corruption, as shares of all it does.

        Of each of two sets of heads the largest effect, each head patched alone; 0 for none.
        """
        clean = self._task.metric()
        whole = (clean - self._task.metric("last_name")) / clean
        return {
            "copying": stats.ratio(self.at_end(copying, "last_name"), whole),
            "second": stats.ratio(self.at_end(second, "last_name"), whole),
        }

    def writers(self, corruption: Corruption, position: int = LAST) -> dict[str, float]:
        """The effect of each layer-0 head at one position, by label; below `FLOOR` it counts as 0.

        Otherwise the largest of eight effects that are all noise would have a rank.
        """
        effects = self.cells(corruption)[:1, :, position]
        effects = effects.where(effects.abs() >= FLOOR, 0.0)
        return self._roles.by_label(_by_head(effects), ["previous"])

    def breaks(
        self,
        duplicate: Sequence[Head],
        copying: Sequence[Head],
        corruptions: tuple[Corruption, Corruption] = ("first_name", "second_name"),
    ) -> dict[str, float]:
        """Effects of two sets of heads at the last token, as `at_end`.

        The parts ending in "first" are measured in the first corruption, those in "second" in the
        second.
        """
        first, second = corruptions
        return {
            "duplicate_first": self.at_end(duplicate, first),
            "duplicate_second": self.at_end(duplicate, second),
            "copying_first": self.at_end(copying, first),
            "copying_second": self.at_end(copying, second),
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


def _by_head(effects: Tensor) -> dict[Head, float]:
    """Effects [layer head], by head."""
    layers, heads = effects.shape
    return {(la, h): effects[la, h].item() for la in range(layers) for h in range(heads)}
