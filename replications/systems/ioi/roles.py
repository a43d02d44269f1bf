"""Which head plays which part: the published indices of GPT-2 small, or found by what heads do.

The search respects the order of layers: previous-token heads come before induction heads, these and
duplicate-token heads before S-inhibition heads, and S-inhibition heads before the name mover. No
head has two roles. A role that no head fills is empty, and what is measured of it is then an empty
list or an effect of zero, which no claim about this role accepts: the finding does not hold there.
(`Unsupported` would take the row out of the record; a substitute for the missing head would be
measured as if it were one.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from replications.models import Head
from replications.models.sites import Q, Z
from replications.patching import Grid, sweep
from replications.systems.ioi.task import Task

Heads = tuple[Head, ...]
WRITES = 0.1
"""The attribution of a name mover is at least this share of the largest, for or against IO."""
ACTS = 0.02
"""An S-inhibition head costs at least this share of the metric through the name mover's queries."""
IDLE = 0.1
"""A head outside the circuit changes the metric by less than this share of it."""
ATTENDS = 0.3
"""Attention from which a head has a role in what it attends to."""


@dataclass(frozen=True)
class Roles:
    """The heads of the circuit, and heads outside it to compare with.

    Only the name mover is always there: every other role may be empty, which means that no head of
    the model fills it.
    """

    name_mover: Head
    """The most important name mover."""
    name_movers: Heads
    """Every head that writes the indirect object, backups included, the most important first."""
    negative: Heads
    """Negative name movers: they write against the indirect object."""
    s_inhibition: Heads
    biggest_inhibition: Heads
    """The S-inhibition head with the largest effect: one, or none if there are no such heads."""
    token_readers: Heads
    """S-inhibition heads that pass on the token as well as the position."""
    induction: Heads
    fuzzy: Heads
    """Heads that are induction heads on these prompts only."""
    duplicate: Heads
    """Duplicate-token heads."""
    previous: Heads
    """Previous-token heads."""
    outside: Heads
    """Heads outside the circuit near the S-inhibition heads, as many as those."""
    outside_early: Heads
    """Heads outside the circuit in the layers of the induction heads, as many as those."""
    outside_earliest: Heads
    """Heads outside the circuit before the induction heads, as many as previous-token heads."""

    @property
    def position_readers(self) -> Heads:
        """S-inhibition heads that are not among the token readers."""
        return tuple(head for head in self.s_inhibition if head not in self.token_readers)

    @property
    def all_induction(self) -> Heads:
        """Induction heads, then fuzzy ones."""
        return self.induction + self.fuzzy

    @property
    def duplicate_detectors(self) -> Heads:
        """Induction heads, then duplicate-token heads: both notice that a name is repeated."""
        return self.induction + self.duplicate


PUBLISHED = Roles(
    name_mover=(9, 9),
    name_movers=(
        (9, 9), (9, 6), (10, 0), (9, 0), (9, 7), (10, 1), (10, 2), (10, 6), (10, 10), (11, 2),
        (11, 9),
    ),
    negative=((10, 7), (11, 10)),
    s_inhibition=((7, 3), (7, 9), (8, 6), (8, 10)),
    biggest_inhibition=((8, 6),),
    token_readers=((7, 9), (8, 10)),
    induction=((5, 5), (6, 9)),
    fuzzy=((5, 8), (5, 9)),
    duplicate=((0, 1), (3, 0)),
    previous=((2, 2), (4, 11)),
    outside=((7, 0), (7, 6), (8, 1), (8, 4)),
    outside_early=((5, 0), (6, 3)),
    outside_earliest=((2, 5), (3, 4)),
)  # fmt: skip
"""GPT-2 small: Wang et al. 2022, arXiv:2211.00593. Heads outside are our choice from the rest."""


@dataclass(frozen=True)
class Seen:
    """What heads do, as far as roles depend on it: each [layer head]."""

    direct: Tensor
    """Direct attribution of the answer"""
    effect: Tensor
    """Effect through the queries of the name mover: 0 for none, -1 for the whole metric"""
    induction: Tensor
    """Induction score on repeated random tokens, less that on texts that do not repeat"""
    duplicate: Tensor
    """Duplicate-token score on repeated random tokens, less that on texts that do not repeat"""
    previous: Tensor
    """Previous-token score on repeated random tokens"""
    fuzzy: Tensor
    """Attention from S2 to the token after S1 on the prompts, less that on ABC prompts"""
    matters: Tensor
    """Size of the change when the head's output comes from ABC prompts, as a share of the metric"""


def find_roles(task: Task, count: int = 2) -> Roles:
    """The heads of any model by what they do, `count` at most for most roles; see `assign`."""
    return assign(observe(task), count)


def observe(task: Task) -> Seen:
    """What the heads of a model do."""
    direct = task.attribution.heads.mean(-1)
    mover = top_heads(direct, 1)[0]
    repeated, fresh = (task.repeated_tokens.scores(repeated=again) for again in (True, False))
    effect = torch.zeros_like(direct)
    for head, value in task.path_effect_of_each(Q, [mover]).items():
        effect[head] = value
    fuzzy, on_abc = (
        task.attention_of_every_head("S2", "S1+1", three_names=three) for three in (False, True)
    )
    return Seen(
        direct=direct,
        effect=effect,
        induction=(repeated.induction - fresh.induction).mean(-1),
        duplicate=(repeated.duplicate - fresh.duplicate).mean(-1),
        previous=repeated.previous.mean(-1),
        fuzzy=(fuzzy - on_abc).mean(-1),
        matters=_matters(task),
    )


def _matters(task: Task) -> Tensor:
    """How much the metric changes when one head's output comes from ABC prompts: [layer head]."""
    batch, source = task.batch, task.abc.tokens
    found = sweep(
        task.lens, batch.tokens, source, Grid(Z, "layer head"), task.answers, at=batch.end
    )
    return (found.values.mean(-1) / found.base.mean() - 1).abs()


def assign(seen: Seen, count: int = 2) -> Roles:
    """Roles by what heads do, each given to the strongest heads that are still free.

    In this order, with the thresholds of this module:

    - name mover: the largest attribution;
    - S-inhibition: the most negative effects, in layers before the name mover;
    - induction, fuzzy, duplicate: the most attention, in layers before the S-inhibition heads (or
      the name mover, if there are none); induction and fuzzy not in the first layer;
    - previous: the most attention, in layers before the induction heads, fuzzy ones included;
    - name movers: all others with at least `WRITES` of the largest attribution, after the first
      S-inhibition head; negative: the most negative attributions, from the name mover's layer on;
    - outside: of the heads left over, those that matter least, if that is less than `IDLE`, from
      the layer of the first S-inhibition head on (or of the name mover, if there are none);
      outside_early: likewise from the first induction head on and before that layer;
      outside_earliest: before the first induction head.
    """
    search = _Search(seen.direct.shape, count)
    mover = top_heads(seen.direct, 1)[0]
    search.taken.add(mover)
    writes = WRITES * seen.direct[mover].item()
    inhibition = search.strongest(-seen.effect, ACTS, before=mover[0])
    first = min((layer for layer, _ in inhibition), default=mover[0])
    induction = search.strongest(seen.induction, ATTENDS, after=0, before=first)
    fuzzy = search.strongest(seen.fuzzy, ATTENDS, after=0, before=first)
    duplicate = search.strongest(seen.duplicate, ATTENDS, before=first)
    start = min((layer for layer, _ in induction + fuzzy), default=first)
    previous = search.strongest(seen.previous, ATTENDS, before=start)
    movers = search.strongest(seen.direct, writes, after=first - 1, count=seen.direct.numel())
    negative = search.strongest(-seen.direct, writes, after=mover[0] - 1)
    return Roles(
        name_mover=mover,
        name_movers=(mover, *movers),
        negative=negative,
        s_inhibition=inhibition,
        biggest_inhibition=inhibition[:1],
        token_readers=(),
        induction=induction,
        fuzzy=fuzzy,
        duplicate=duplicate,
        previous=previous,
        outside=search.least(seen.matters, after=first - 1),
        outside_early=search.least(seen.matters, after=start - 1, before=first),
        outside_earliest=search.least(seen.matters, before=start),
    )


class _Search:
    """Gives heads to roles, each head to one role only."""

    def __init__(self, shape: torch.Size, count: int) -> None:
        self._layers, self._heads = shape
        self._count = count
        self.taken: set[Head] = set()

    def strongest(
        self,
        values: Tensor,
        least: float,
        *,
        after: int = -1,
        before: int | None = None,
        count: int | None = None,
    ) -> Heads:
        """Take the free heads with the largest values of [layer head], `least` or more.

        In layers after `after` and before `before`; the largest value first.
        """
        free = [head for head in self._free(after, before) if values[head] >= least]
        found = sorted(free, key=lambda head: -values[head].item())[: count or self._count]
        self.taken.update(found)
        return tuple(found)

    def least(self, values: Tensor, *, after: int = -1, before: int | None = None) -> Heads:
        """The free heads with the smallest values below `IDLE`, in these layers; they stay free."""
        free = [head for head in self._free(after, before) if values[head] < IDLE]
        return tuple(sorted(free, key=lambda head: values[head].item())[: self._count])

    def _free(self, after: int, before: int | None) -> list[Head]:
        layers = range(after + 1, self._layers if before is None else before)
        every = [(layer, head) for layer in layers for head in range(self._heads)]
        return [head for head in every if head not in self.taken]


def top_heads(values: Tensor, count: int) -> list[Head]:
    """The heads with the largest values of [layer head], the largest first."""
    order = values.flatten().argsort(descending=True)[:count].tolist()
    return [divmod(index, values.shape[1]) for index in order]
