"""Which heads matter, and at which positions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.models import sites
from replications.systems.name_recall.data import END, LAST
from replications.systems.name_recall.patches import CORRUPTIONS, Corruption
from replications.systems.name_recall.roles import Head

if TYPE_CHECKING:
    from replications.systems.name_recall.measure import NameRecallSubject


class HeadPatches:
    """Findings on the maps of patched heads.  Effects are shares of the clean metric."""

    def __init__(self, subject: NameRecallSubject) -> None:
        self._s = subject

    def cell(self, head: Head, position: int, corruption: Corruption) -> float:
        """What one head at one position does to the metric, as a share of the clean one."""
        layer, index = head
        effect = self._s.patches.effect("heads_by_position", corruption)[layer, index, position]
        return (effect / self._s.patches.clean).item()

    def _by_label(self, effects: Tensor) -> dict[str, float]:
        """Effects [layer head …] by the label of the head, largest over what is left, as shares."""
        shares = (effects / self._s.patches.clean).flatten(2).amax(-1)
        return {
            self._s.label((layer, head)): shares[layer, head].item()
            for layer in range(shares.shape[0])
            for head in range(shares.shape[1])
        }

    # ---------------------------------------------------------------- whole heads
    @cached_property
    def importance(self) -> dict[str, float]:
        """Effect of every head at all positions, the largest of the three corruptions."""
        maps = [self._s.patches.effect("heads", c) for c in CORRUPTIONS]
        return self._by_label(torch.stack(maps, -1))

    @cached_property
    def importance_of_second_name(self) -> dict[str, float]:
        """The same of the second first name alone."""
        return self._by_label(self._s.patches.effect("heads", "second_name")[..., None])

    @cached_property
    def importance_exchanged(self) -> dict[str, float]:
        """The first with copying and previous-token head exchanged."""
        roles = self._s.roles
        return self._exchanged(self.importance, roles.copying, roles.previous)

    def _exchanged(self, found: dict[str, float], one: Head, other: Head) -> dict[str, float]:
        a, b = self._s.label(one), self._s.label(other)
        return found | {a: found[b], b: found[a]}

    # ---------------------------------------------------------------- by position
    @cached_property
    def last_name(self) -> dict[str, object]:
        """See `_last_name`, at the last token."""
        return self._last_name([END])

    @cached_property
    def last_name_elsewhere(self) -> dict[str, object]:
        """The same heads at every other position, the largest effect of each."""
        return self._last_name(list(range(END)))

    def _last_name(self, positions: list[int]) -> dict[str, object]:
        """The last-name corruption: copying and second head at some positions.

        How many cells of other heads have a larger effect than one of the two, those left out
        that share the copying head's role; the effect of the copying head; by how much it is
        above one and a half times the second's.
        """
        effect = self._s.patches.effect("heads_by_position", "last_name") / self._s.patches.clean
        roles = self._s.roles
        copying, second = (
            effect[head][positions].max().item() for head in (roles.copying, roles.second)
        )
        rest = effect.clone()
        for head in (*roles.all_copying, roles.second):
            rest[head] = -torch.inf
        return {
            "cells_above": int((rest > min(copying, second)).sum()),
            "copying": copying,
            "over_second": copying - 1.5 * second,
        }

    @cached_property
    def writes_first_name(self) -> dict[str, float]:
        """The first-name corruption: effect of each layer-0 head at the last name's position."""
        return self._at_last_name("first_name")

    @cached_property
    def writes_first_name_of_last_name(self) -> dict[str, float]:
        """The same of the last-name corruption."""
        return self._at_last_name("last_name")

    @cached_property
    def writes_first_name_exchanged(self) -> dict[str, float]:
        """The same with the labels of previous-token and duplicate-token head exchanged."""
        roles = self._s.roles
        return self._exchanged(self.writes_first_name, roles.previous, roles.duplicate)

    def _at_last_name(self, corruption: Corruption) -> dict[str, float]:
        effect = self._s.patches.effect("heads_by_position", corruption)[:1, :, LAST, None]
        return self._by_label(effect)

    @cached_property
    def first_name_breaks(self) -> dict[str, float]:
        """Duplicate-token and copying head at the last token, in both first-name corruptions."""
        return self._breaks("first_name", "second_name")

    @cached_property
    def first_name_breaks_of_last_name(self) -> dict[str, float]:
        """The same in the last-name corruption, put in the place of both."""
        return self._breaks("last_name", "last_name")

    def _breaks(self, first: Corruption, second: Corruption) -> dict[str, float]:
        roles = self._s.roles
        return {
            "duplicate_first": self.cell(roles.duplicate, END, first),
            "duplicate_second": self.cell(roles.duplicate, END, second),
            "copying_first": self.cell(roles.copying, END, first),
            "copying_second": self.cell(roles.copying, END, second),
        }

    # ---------------------------------------------------------------- signs
    @cached_property
    def signs(self) -> dict[str, float]:
        """See `_signs`, of the copying head, together with those that share its role."""
        return self._signs(self._s.roles.all_copying)

    @cached_property
    def signs_of_duplicate(self) -> dict[str, float]:
        """The same of the duplicate-token head."""
        return self._signs([self._s.roles.duplicate])

    @cached_property
    def signs_of_second(self) -> dict[str, float]:
        """The same of the second head."""
        return self._signs([self._s.roles.second])

    def _signs(self, heads: Sequence[Head]) -> dict[str, float]:
        """What is left of the metric, as a share, when heads at the last token are patched."""
        patches = self._s.patches
        found: dict[str, float] = {}
        places = [sites.Z(layer).pick(head=head, pos=END) for layer, head in heads]
        for corruption in CORRUPTIONS:
            left = patches.difference(patches.patched(places, corruption)).mean().item()
            found[corruption] = stats.ratio(left, patches.clean)
        return found
