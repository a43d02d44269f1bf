"""Where the heads look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import torch
from torch import Tensor

from replications.analysis.statistics import ratio
from replications.models import Head
from replications.systems.algorithmic.data.addition import ANSWERED, NAMES, PLACES, A, B
from replications.systems.algorithmic.measurements.addition.behaviour import Behaviour
from replications.systems.algorithmic.roles import SumRoles, label
from replications.systems.algorithmic.task import Task


class Attention:
    """Mean attention to pairs of digits, and of layer 1 to itself."""

    def __init__(self, task: Task, roles: SumRoles) -> None:
        self._task = task
        self._roles = roles

    def mean(self, head: Head) -> Tensor:
        """Mean attention of a head: [query key]."""
        return self._task.pattern(head).mean(0)

    # ---------------------------------------------------------------- pairs of digits
    def on_pair(self, head: Head, query: str, place: int) -> list[float]:
        """Mean attention from a position to A_i and B_i, where i is `place`."""
        return self.mean(head)[NAMES.index(query), [A + place, B + place]].tolist()

    def halves(self, cells: Sequence[str]) -> Mapping[str, float | list[float]]:
        """Attention to a pair of digits, for cells such as "0.1@C2>3": a head, a position, a place.

        `smallest` is the smallest of all of these.
        """
        found: dict[str, float | list[float]] = {}
        pairs = []
        for cell in cells:
            head, _, rest = cell.partition("@")
            query, _, place = rest.partition(">")
            pairs.append(self.on_pair((int(head[0]), int(head[2])), query, int(place)))
            found[cell] = pairs[-1]
        return found | {"smallest": min(map(min, pairs))}

    def best_in_layer_1(self, cells: Sequence[str]) -> Mapping[str, float | list[float]]:
        """The same for controls: in place of each cell, the best one of layer 1 for that pair."""
        best = {place: self._best(self._roles.late, NAMES, place) for place in range(PLACES)}
        return self._in_place(cells, best)

    def one_cell(self, cells: Sequence[str], head: Head, query: str) -> Mapping[str, object]:
        """The same for controls: in place of each cell, one head at one position."""
        best = {place: self._best([head], [query], place) for place in range(PLACES)}
        return self._in_place(cells, best)

    def _best(self, heads: Sequence[Head], queries: Sequence[str], place: int) -> list[float]:
        pairs = [self.on_pair(head, query, place) for head, query in product(heads, queries)]
        return max(pairs, key=min)

    @staticmethod
    def _in_place(
        cells: Sequence[str], best: Mapping[int, list[float]]
    ) -> Mapping[str, float | list[float]]:
        return {
            **{cell: best[int(cell[-1])] for cell in cells},
            "smallest": max(map(min, best.values())),
        }

    # ---------------------------------------------------------------- layer 1
    def to_itself(self, head: Head) -> list[float]:
        """Mean attention of =, C0, C1 and C2 to themselves."""
        return self.mean(head)[list(ANSWERED), list(ANSWERED)].tolist()

    def late(
        self, heads: Sequence[Head] | None = None, *, compared: Sequence[Head] | None = None
    ) -> Mapping[str, float | list[float]]:
        """How the heads of layer 1 look at themselves, and `share`.

        For controls: other heads, or others to compare with.
        """
        heads = heads or self._roles.late
        itself: dict[str, float | list[float]] = {
            label(late): self.to_itself(head)
            for late, head in zip(self._roles.late, heads, strict=True)
        }
        return itself | {"share": self.share(heads, compared=compared)}

    def share(
        self, heads: Sequence[Head] | None = None, *, compared: Sequence[Head] | None = None
    ) -> float:
        """The largest rise in loss without a head of layer 1, over the smallest without 0.1 or 0.2.

        For controls: other heads, or others to compare with.
        """
        behaviour = Behaviour(self._task, self._roles)
        rises = [behaviour.without(head) for head in heads or self._roles.late]
        early = [behaviour.without(head) for head in compared or self._roles.early[1:]]
        return ratio(max(rises), min(early))

    def mostly(self, heads: Sequence[Head] | None = None) -> Mapping[str, float]:
        """Mean attention of the heads of layer 1 to themselves, over =, C0, C1 and C2."""
        return {
            label(late): torch.tensor(self.to_itself(head)).mean().item()
            for late, head in zip(self._roles.late, heads or self._roles.late, strict=True)
        }
