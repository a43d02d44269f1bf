"""What the weights say. All matrices are used without the divisors of LayerNorms."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache, cached_property

import torch
from torch import Tensor

from replications.analysis.statistics import correlation
from replications.models import Head
from replications.systems.algorithmic.data.sorting import LENGTH, VALUES, among
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
        return among(torch.arange(VALUES), self._roles.domain)

    def copied(self, head: Head) -> list[int]:
        """The numbers that a head copies: whose own answer is the largest of their row."""
        return _on_diagonal(self.copying(head)).nonzero()[:, 0].tolist()

    def domains(self, matrices: Sequence[Tensor] | None = None) -> Mapping[str, object]:
        """The numbers that each head copies: whose answer is the largest of their row.

        `first`: those of 0.0. `second_outside` and `second_inside`: how many 0.1 copies outside and
        inside the domain of 0.0. Other matrices [number number] may be given for controls.
        """
        if matrices is None:
            matrices = [self.copying(self._roles.middle), self.copying(self._roles.rest)]
        first, second = map(_on_diagonal, matrices)
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

    def divided(self, *, exchanged: bool = False, of_keys: bool = False) -> Mapping[str, int]:
        """How the heads divide the numbers among themselves, without naming numbers.

        `once`: how many numbers exactly one head copies. `bands`: into how many runs of neighbours
        the numbers of 0.0 fall; 0 if there are none. For controls, with the heads exchanged, or of
        W_QK in place of W_E W_OV W_U.
        """
        matrix = self.scores if of_keys else self.copying
        first, second = (_on_diagonal(matrix(head)) for head in self._roles.named.values())
        band = (second if exchanged else first).int()
        starts = band.diff(prepend=band.new_zeros(1)) > 0
        return {"once": int((first ^ second).sum()), "bands": int(starts.sum())}

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
        middle, rest = (self._bias(head, keys) for head in self._roles.named.values())
        return {
            "largest_0.1": rest.max().item(),
            "step_0.1": (rest[1:] - rest[:-1]).max().item(),
            "largest_0.0": middle[14 - LATE[0] :].max().item(),
        }

    def _bias(self, head: Head, keys: Collection[int]) -> Tensor:
        """The mean positional score of some keys less that of all numbers: [late position]."""
        positions = self._task.network.W_pos[list(LATE)]
        scores = positions @ self._task.QK(head) @ self._numbers.T
        return scores[:, list(keys)].mean(1) - scores.mean(1)

    def push(self, keys: Collection[int] = range(5)) -> Mapping[str, float]:
        """How late query positions push against keys 0 to 4, or others, in both heads.

        `trend`: the correlation of `position_bias` with the position, the larger of both heads.
        `at_end`: its mean over the last five positions, over the mean size of positional scores;
        the larger of both heads.
        """
        found = [self._bias(head, keys) for head in self._task.heads]
        places = torch.arange(len(LATE))
        sizes = [self._sizes(head) for head in self._task.heads]
        return {
            "trend": max(correlation(bias, places) for bias in found),
            "at_end": max((b[-5:].mean() / s).item() for b, s in zip(found, sizes, strict=True)),
        }

    def _sizes(self, head: Head) -> Tensor:
        positions = self._task.network.W_pos[list(LATE)]
        scores = positions @ self._task.QK(head) @ self._numbers.T
        return (scores - scores.mean(1, keepdim=True)).abs().mean()

    def drawn_down(self, queries: Collection[int] = range(26, VALUES)) -> int:
        """How many of the numbers 26 to 50, or others, have one of 0 to 4 as their favourite key,
        by tokens alone, in the head in which there are more."""
        found = [self.scores(head)[list(queries)].argmax(-1) for head in self._task.heads]
        return max(int((keys < 5).sum()) for keys in found)

    # ---------------------------------------------------------------- asymmetry
    def asymmetry(self, *, outside: bool = False, direct: bool = False) -> Mapping[str, float]:
        """What a number adds to answers slightly below and above it, less the mean of its row.

        By published name, over the numbers of a head's domain: the mean at -3 to -1 and at +1 to
        +3, and the share of numbers for which the first is larger; NaN of an empty domain. For
        controls, over the numbers outside its domain, or of the direct path.
        """
        found: dict[str, float] = {}
        owned = (self.inside, ~self.inside)
        for (name, head), own in zip(self._roles.named.items(), owned, strict=True):
            matrix = self.direct() if direct else self.copying(head)
            numbers = (~own if outside else own).nonzero()[:, 0].tolist()
            below, above = (
                torch.tensor(
                    [_near(matrix[n] - matrix[n].mean(), n, steps) for n in numbers],
                    dtype=torch.float64,
                )
                for steps in (BELOW, ABOVE)
            )
            known = ~(below.isnan() | above.isnan())
            share = (below > above)[known].double().mean()
            found |= {
                f"below_{name}": below.nanmean().item(),
                f"above_{name}": above.nanmean().item(),
                f"share_{name}": share.item(),
            }
        return found


def _on_diagonal(matrix: Tensor) -> Tensor:
    """Whether the largest entry of a row is on the diagonal: bool [number]."""
    return matrix.argmax(-1) == torch.arange(VALUES)


def _near(row: Tensor, number: int, steps: Sequence[int]) -> float:
    """The mean of a row at some steps from a number; NaN where there are none."""
    columns = [number + step for step in steps if 0 <= number + step < VALUES]
    return row[columns].mean().item()
