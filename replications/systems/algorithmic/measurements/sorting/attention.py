"""Where the heads look: at the next larger number."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from replications.models import Head
from replications.systems.algorithmic.data.sorting import LENGTH, VALUES
from replications.systems.algorithmic.roles import SortedRoles
from replications.systems.algorithmic.task import Task


class Attention:
    """Attention to the numbers of a list, both copies of a number together.

    Queries are the positions that have an answer: SEP, and the sorted numbers but the last. The
    list's ranks are 0 for its smallest number to 9.
    """

    def __init__(self, task: Task, roles: SortedRoles) -> None:
        self._task = task
        self._roles = roles

    def by_rank(self, head: Head) -> Tensor:
        """Attention of each query to the numbers of the list: [n query rank]."""
        tokens, examples = self._task.tokens, self._task.examples
        weights = self._task.pattern(head)[:, list(examples.answered)]  # [n query key]
        keys = functional.one_hot(tokens, VALUES + 1).double()  # [n key number]
        by_number = weights @ keys
        ranks = examples.labels[:, None].expand(-1, LENGTH, -1)
        return by_number.gather(-1, ranks)

    @cached_property
    def favourites(self) -> Mapping[Head, Tensor]:
        """The rank that each query attends to most, by head: [n query]."""
        return {head: self.by_rank(head).argmax(-1) for head in self._task.heads}

    def next_larger(self, step: int = 1, *, first: int = 0) -> Mapping[str, float]:
        """How often queries attend most to the next larger number.

        `SEP`: the share of lists in which SEP attends most in 0.1 to the smallest number. `others`:
        the share of other queries that attend most to the next number in either head. For controls:
        another step from the query's own number, or another rank for SEP. Only queries that have
        such a number count.
        """
        at_sep = self.favourites[self._roles.rest][:, 0] == first % LENGTH
        queries = range(max(1, 1 - step), min(LENGTH, LENGTH + 1 - step))
        target = torch.tensor([query - 1 + step for query in queries])
        either = torch.stack(
            [found[:, list(queries)] == target for found in self.favourites.values()]
        ).any(0)
        return {
            "SEP": at_sep.double().mean().item(),
            "others": either.double().mean().item(),
        }
