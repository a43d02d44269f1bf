"""What the weights say. All matrices are used without the divisors of LayerNorms."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache, cached_property

import torch
from torch import Tensor

from replications.models import Head
from replications.systems.algorithmic.data.sorting import LENGTH, VALUES
from replications.systems.algorithmic.roles import SortedRoles, label
from replications.systems.algorithmic.task import Task

LATE = range(LENGTH + 1, 2 * LENGTH)
"""The positions of the sorted numbers that have an answer."""
BELOW, ABOVE = (-3, -2, -1), (1, 2, 3)


class Circuits:
    """Circuits of the sorting model, read off its prepared weights."""

    def __init__(self, task: Task, roles: SortedRoles) -> None:
        self._task = task
        self._roles = roles
        self.copying = cache(self._copying)
        self.scores = cache(self._scores)

    @cached_property
    def _numbers(self) -> Tensor:
        return self._task.network.W_E[:VALUES]

    @property
    def _answers(self) -> Tensor:
        return self._task.network.W_U[:, :VALUES]

    def _copying(self, head: Head) -> Tensor:
        """W_E W_OV W_U of a head: [source answer]."""
        return self._numbers @ self._task.OV(head) @ self._answers

    def direct(self) -> Tensor:
        """W_E W_U, the direct path: [source answer]."""
        return self._numbers @ self._answers

    def _scores(self, head: Head) -> Tensor:
        """W_E W_QK W_E^T of a head: [query key]."""
        return self._numbers @ self._task.QK(head) @ self._numbers.T

    # ---------------------------------------------------------------- domains
    @property
    def inside(self) -> Tensor:
        """Whether a number is in the domain of head 0.0: bool [number]."""
        low, high = self._roles.domain
        numbers = torch.arange(VALUES)
        return (numbers >= low) & (numbers <= high)

    def domains(self, matrices: Sequence[Tensor] | None = None) -> Mapping[str, object]:
        """The numbers that each head copies: whose answer is the largest of their row.

        `first`: those of 0.0. `second_outside` and `second_inside`: how many 0.1 copies outside and
        inside the domain of 0.0. Other matrices [number number] may be given for controls.
        """
        if matrices is None:
            matrices = [self.copying(self._roles.middle), self.copying(self._roles.rest)]
        first, second = (m.argmax(-1) == torch.arange(VALUES) for m in matrices)
        return {
            "first": first.nonzero()[:, 0].tolist(),
            "second_outside": int((second & ~self.inside).sum()),
            "second_inside": int((second & self.inside).sum()),
        }

    def domains_directly(self) -> Mapping[str, object]:
        """The same of the direct path, for controls."""
        return self.domains([self.direct()] * 2)

    def domains_exchanged(self) -> Mapping[str, object]:
        """The same with the heads exchanged, for controls."""
        return self.domains([self.copying(self._roles.rest), self.copying(self._roles.middle)])

    def domains_of_keys(self) -> Mapping[str, object]:
        """The same of W_QK, for controls."""
        return self.domains([self.scores(self._roles.middle), self.scores(self._roles.rest)])

    # ---------------------------------------------------------------- favourite keys
    def favourites(self, query: int, *, of: int = 2) -> dict[str, list[int]]:
        """The keys that a number scores highest, in ascending order, by head."""
        return {
            label(head): sorted(self.scores(head)[query].topk(of).indices.tolist())
            for head in self._task.heads
        }

    def favourites_of_25(self, query: int = 25) -> Mapping[str, list[int]]:
        """The two favourite keys of 25, or for controls those of another number, as far from 25 as
        they are from it."""
        return {
            name: [key - query + 25 for key in keys]
            for name, keys in self.favourites(query).items()
        }

    def to_zero(
        self, query: int = 40, queries: Collection[int] = range(36, VALUES)
    ) -> Mapping[str, object]:
        """The favourite key of 40 in both heads, and by head the share of 36 to 50 whose favourite
        key is 0 or 1. Other numbers may take their places."""
        shares = {}
        for head in self._task.heads:
            found = self.scores(head)[list(queries)].argmax(-1)
            shares[f"share_{label(head)}"] = (found <= 1).double().mean().item()
        return {"of_40": [keys[0] for keys in self.favourites(query, of=1).values()], **shares}

    def position_bias(self, keys: Collection[int] = range(5)) -> Mapping[str, float]:
        """How query positions push against keys 0 to 4, or others.

        The mean positional score of these keys less that of all numbers, by query position. For
        0.1: the largest of positions 11 to 19, and the largest step from one to the next. For 0.0:
        the largest from position 14 on.
        """
        found = {}
        for head in self._task.heads:
            positions = self._task.network.W_pos[list(LATE)]
            scores = positions @ self._task.QK(head) @ self._numbers.T
            found[head] = scores[:, list(keys)].mean(1) - scores.mean(1)
        rest = found[self._roles.rest]
        return {
            "largest_0.1": rest.max().item(),
            "step_0.1": (rest[1:] - rest[:-1]).max().item(),
            "largest_0.0": found[self._roles.middle][14 - LATE[0] :].max().item(),
        }

    # ---------------------------------------------------------------- asymmetry
    def asymmetry(self, *, outside: bool = False, direct: bool = False) -> Mapping[str, float]:
        """What a number adds to answers slightly below and above it, less the mean of its row.

        By head, over the numbers of its domain: the mean at -3 to -1 and at +1 to +3, and the share
        of numbers for which the first is larger. For controls, over the numbers outside its domain,
        or of the direct path.
        """
        found: dict[str, float] = {}
        for head, own in ((self._roles.middle, self.inside), (self._roles.rest, ~self.inside)):
            matrix = self.direct() if direct else self.copying(head)
            numbers = (~own if outside else own).nonzero()[:, 0].tolist()
            below, above = (
                torch.stack([_near(matrix[n] - matrix[n].mean(), n, steps) for n in numbers])
                for steps in (BELOW, ABOVE)
            )
            known = ~(below.isnan() | above.isnan())
            share = (below > above)[known].double().mean()
            name = label(head)
            found |= {
                f"below_{name}": below.nanmean().item(),
                f"above_{name}": above.nanmean().item(),
                f"share_{name}": share.item(),
            }
        return found


def _near(row: Tensor, number: int, steps: Sequence[int]) -> Tensor:
    """The mean of a row at some steps from a number; NaN where there are none."""
    columns = [number + step for step in steps if 0 <= number + step < VALUES]
    return row[columns].mean()
