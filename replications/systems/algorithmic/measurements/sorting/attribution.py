"""The logits as a sum over sources, and why attention to a number too far does no harm.

The logits at a query are a direct part, and for each head and source its attention times a source
row: (v at the source) W_O W_U, over the final divisor at the query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from replications.models import Head, sites
from replications.systems.algorithmic import ablation
from replications.systems.algorithmic.data.sorting import LENGTH, VALUES, among, of_values
from replications.systems.algorithmic.roles import SortedRoles
from replications.systems.algorithmic.task import Task

CLOSE = 4
"""The numbers x < y < z are a close triple if z - x is at most this."""
Rows = Literal["intact", "reduced", "mirrored"]


class Attribution:
    """Parts of the logits of the sorting model."""

    def __init__(self, task: Task, roles: SortedRoles) -> None:
        self._task = task
        self._roles = roles

    # ---------------------------------------------------------------- the document's triples
    def triple(self, numbers: Sequence[int], x: int, head: Head) -> list[float]:
        """What x's attention through a head adds to y and z, the two numbers after x.

        The logit of y from y and from z, and that of z from y and from z, each source in the list
        before SEP.
        """
        examples = of_values(numbers)
        ordered = sorted(numbers)
        y, z = (ordered[ordered.index(x) + step] for step in (1, 2))
        query = LENGTH + 1 + ordered.index(x)
        found = self._task.prepared.read(
            examples.tokens,
            {
                "v": sites.V(0).pick(head=head[1]),
                "pattern": sites.PATTERN(0).pick(head=head[1]),
                "stream": sites.RESID_POST(0),
            },
        )
        v, pattern, stream = (found[n][0].double() for n in ("v", "pattern", "stream"))
        scale = (stream[query].var(unbiased=False) + self._task.network.eps).sqrt()
        answers = self._task.network.W_O[head] @ self._task.network.W_U / scale
        sources = [list(numbers).index(n) for n in (y, z)]
        parts = pattern[query, sources, None] * (v[sources] @ answers)  # [source output]
        return [parts[i, answer].item() for answer in (y, z) for i in (0, 1)]

    def triples(
        self, lists: Mapping[str, tuple[Sequence[int], int]], *, other: bool = False
    ) -> Mapping[str, list[float] | float]:
        """`triple` for some lists and numbers x, by name, with the head that y belongs to.

        `ahead` is by how much the sum for y exceeds that for z, at least. For controls, the other
        head.
        """
        found: dict[str, list[float] | float] = {}
        ahead = []
        for name, (numbers, x) in lists.items():
            inside = self._inside(torch.tensor(x)).item()
            head = self._roles.middle if inside != other else self._roles.rest
            parts = self.triple(numbers, x, head)
            ahead.append(parts[0] + parts[1] - parts[2] - parts[3])
            found[name] = parts
        return found | {"ahead": min(ahead)}

    def _inside(self, numbers: Tensor) -> Tensor:
        return among(numbers, self._roles.domain)

    # ---------------------------------------------------------------- the split of the logits
    @cached_property
    def _queries(self) -> list[int]:
        """Positions 11 to 18: the queries x that have two numbers after them."""
        return list(range(LENGTH + 1, 2 * LENGTH - 1))

    @cached_property
    def _numbers(self) -> tuple[Tensor, Tensor, Tensor]:
        """x, y and z at these queries: [n query] each."""
        ordered = self._task.examples.labels
        return ordered[:, :-2], ordered[:, 1:-1], ordered[:, 2:]

    def source_rows(self, head: Head, rows: Rows = "intact") -> Tensor:
        """The source rows of a head, before the divisor: [n key output].

        "reduced": all answers but the source's own number get their mean. "mirrored": answers are
        mirrored about the source's own number; those without a mirror get the mean.
        """
        network = self._task.network
        written = self._task.per_head("v", head) @ network.W_O[head] @ network.W_U
        if rows == "intact":
            return written
        own = self._task.tokens[..., None]
        number = torch.arange(VALUES + 1)
        rest = (written.sum(-1, keepdim=True) - written.gather(-1, own)) / VALUES
        if rows == "reduced":
            return torch.where(number == own, written, rest)
        mirror = 2 * own - number
        known = (mirror >= 0) & (mirror < VALUES) & (number < VALUES)
        return torch.where(known, written.gather(-1, mirror.clamp(0, VALUES)), rest)

    def logits(self, rows: Rows = "intact") -> Tensor:
        """The logits at these queries from the split: [n query output].

        The source rows may be changed; the final divisor stays as it is.
        """
        network, queries = self._task.network, self._queries
        stream = network.W_E[self._task.tokens[:, queries]] + network.W_pos[queries]
        total = (stream + network.b_O[0]) @ network.W_U
        for head in self._task.heads:
            total = total + self._task.pattern(head)[:, queries] @ self.source_rows(head, rows)
        return total / self._task.scale(None)[:, queries, None] + network.b_U

    # ---------------------------------------------------------------- skipping
    @cached_property
    def skipping(self) -> Tensor:
        """Queries x of close triples that attend more to z than to y, in the head to whose domain
        y belongs: bool [n query]."""
        x, y, z = self._numbers
        inside = self._inside(y)
        first, second = (self._more_to_z(head) for head in (self._roles.middle, self._roles.rest))
        return (z - x <= CLOSE) & torch.where(inside, first, second)

    def _more_to_z(self, head: Head) -> Tensor:
        weights = self._task.pattern(head)[:, self._queries]
        tokens = self._task.tokens[:, None]
        y, z = ((weights * (tokens == number[..., None])).sum(-1) for number in self._numbers[1:])
        return z > y

    def skip(self, rows: Rows = "reduced", *, right: Rows = "intact") -> Mapping[str, float]:
        """What happens where the owning head attends more to the number after next.

        `right`: the share of right answers. `skips`: the share of answers that are the number after
        next if every source row is reduced to its own number and a mean. For controls, with other
        source rows.
        """
        _, y, z = (numbers[self.skipping] for numbers in self._numbers)
        with_, without = (self.logits(r)[self.skipping].argmax(-1) for r in (right, rows))
        return {
            "right": (with_ == y).double().mean().item(),
            "skips": (without == z).double().mean().item(),
        }

    # ---------------------------------------------------------------- without the direct path
    def skips_without_direct_path(self) -> float:
        """The share of close triples answered with z when the embeddings in the final stream are
        replaced by their mean at each position, and the final divisor is kept."""
        network, queries = self._task.network, self._queries
        stream = network.W_E[self._task.tokens] + network.W_pos
        change = (stream.mean(0) - stream)[:, queries] @ network.W_U
        return self._share_of_z(self.logits() + change / self._scales)

    def skips_without(self, head: Head) -> float:
        """The same with a head mean-ablated instead, for controls."""
        edit = ablation.mean(self._task, head)
        logits = self._task.prepared.run(self._task.tokens, edits=[edit]).logits.double()
        return self._share_of_z(logits[:, self._queries])

    @cached_property
    def _scales(self) -> Tensor:
        return self._task.scale(None)[:, self._queries, None]

    def _share_of_z(self, logits: Tensor) -> float:
        x, _, z = self._numbers
        close = z - x <= CLOSE
        return (logits.argmax(-1) == z)[close].double().mean().item()
