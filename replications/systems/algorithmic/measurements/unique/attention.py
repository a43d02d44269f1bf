"""Where the heads look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from replications.models import Head
from replications.systems.algorithmic.data.unique import LETTERS, earlier_copies
from replications.systems.algorithmic.measurements.unique.behaviour import divided
from replications.systems.algorithmic.roles import UniqueRoles
from replications.systems.algorithmic.task import Task


class Attention:
    """Attention to earlier copies of a letter, and to repeated letters."""

    def __init__(self, task: Task, roles: UniqueRoles) -> None:
        self._task = task
        self._roles = roles

    # ---------------------------------------------------------------- duplicates
    @cached_property
    def _copies(self) -> Tensor:
        """bool [n query key]"""
        return earlier_copies(self._task.tokens)

    def to_copies(self, head: Head | None) -> Tensor:
        """The weight on all earlier copies of a query's letter together, mean by letter: [letter].

        Over queries whose letter has occurred before. No head means uniform attention.
        """
        tokens, copies = self._task.tokens, self._copies
        length = tokens.shape[1]
        even = torch.ones(length, length).tril() / torch.arange(1, length + 1)[:, None]
        weights = even.double() if head is None else self._task.pattern(head)
        found, repeated = (weights * copies).sum(-1), copies.any(-1)
        return torch.stack(
            [found[repeated & (tokens == letter)].mean() for letter in range(len(LETTERS))]
        )

    def duplicates(
        self, every: Head | None = None, some: Head | None = None, *, uniform: bool = False
    ) -> Mapping[str, object]:
        """How heads 0.1 and 0.2, or two others, look at earlier copies.

        For 0.1: the smallest mean weight of b to j, and that of a. For 0.2: the three letters with
        the largest weights, by how much the smallest of these exceeds uniform attention, and by how
        much the largest of the rest does. `uniform` puts uniform attention in place of both.
        """
        even = self.to_copies(None)
        first = even if uniform else self.to_copies(every or self._roles.duplicates)
        second = even if uniform else self.to_copies(some or self._roles.early[1])
        top = second.topk(3).indices
        rest = torch.ones(len(LETTERS), dtype=torch.bool)
        rest[top] = False
        excess = second - even
        return {
            "every": first[1:].min().item(),
            "a": first[0].item(),
            "letters": "".join(sorted(LETTERS[i] for i in top.tolist())),
            "above": excess[top].min().item(),
            "rest": excess[rest].max().item(),
        }

    # ---------------------------------------------------------------- domains
    def to_occurrences(self, head: Head, *, first: bool = False) -> Tensor:
        """Mean weight of later queries on one repeated occurrence of each letter: [letter].

        With `first`, on its first occurrence.
        """
        tokens = self._task.tokens
        repeated = self._copies.any(-1)
        keys = ~repeated if first else repeated
        length = tokens.shape[1]
        later = torch.ones(length, length, dtype=torch.bool).tril(-1)  # [query key]
        weights = (self._task.pattern(head) * later).sum(1)  # [n key]
        queries = later.sum(0).double()
        found = []
        for letter in range(len(LETTERS)):
            chosen = keys & (tokens == letter)
            found.append(weights[chosen].sum() / queries.expand_as(weights)[chosen].sum())
        return torch.stack(found)

    def domains(
        self, heads: Sequence[Head] | None = None, *, first: bool = False
    ) -> Mapping[str, object]:
        """The letters whose repeated occurrences each head attends to most; see `divided`.

        `heads` are those of layer 1, or three others; with `first`, first occurrences count.
        """
        heads = list(self._roles.domain) if heads is None else heads
        return divided(torch.stack([self.to_occurrences(head, first=first) for head in heads]))
