"""Which head plays which part: the published indices of GPT-2 small, or found by what heads do."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from replications.errors import BadInput
from replications.models import Head
from replications.models.sites import Q
from replications.patching import every_head
from replications.systems.ioi.data import ABC
from replications.systems.ioi.task import Task

Heads = tuple[Head, ...]
WRITES = 0.1
"""The attribution of a name mover is at least this share of the largest."""


@dataclass(frozen=True)
class Roles:
    """The heads of the circuit, and heads outside it to compare with."""

    name_mover: Head
    """The most important name mover."""
    name_movers: Heads
    """Every head that writes the indirect object, backups included, the most important first."""
    negative: Heads
    """Negative name movers: they write against the indirect object."""
    s_inhibition: Heads
    biggest_inhibition: Head
    """The S-inhibition head with the largest effect."""
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
    biggest_inhibition=(8, 6),
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


def find_roles(task: Task, count: int = 2) -> Roles:
    """Heads of any model by what they do, `count` for most roles, the strongest first.

    - name mover: the largest direct attribution; name movers: all that have a tenth of it;
      negative: the smallest.
    - S-inhibition: the largest fall of the metric through the queries of the top name mover after
      the first layer.
    - induction, duplicate, previous: the highest scores on repeated random tokens; outside_early
      and outside_earliest: the lowest induction and previous-token scores.
    - fuzzy: of heads that are not induction heads, the most attention from S2 to the token after
      S1.
    - outside: of heads that are neither S-inhibition heads nor one of the first two name movers,
      those whose outputs on ABC prompts change the metric least.

    Raises BadInput for a model of one layer.
    """
    if task.lens.shape.n_layers < 2:
        raise BadInput("a model of one layer has no heads that act on later heads")
    direct = task.attribution.heads.mean(-1)
    ranked = top_heads(direct, direct.numel())
    movers = [head for head in ranked if direct[head] > WRITES * direct[ranked[0]]]
    effects = task.path_effect_of_each(Q, [next(head for head in ranked if head[0] > 0)])
    order = sorted(effects, key=lambda head: effects[head])
    seen = task.repeated_tokens.scores()
    induction = tuple(top_heads(seen.induction.mean(-1), count))
    return Roles(
        name_mover=ranked[0],
        name_movers=tuple(movers),
        negative=tuple(ranked[: -count - 1 : -1]),
        s_inhibition=tuple(order[:count]),
        biggest_inhibition=order[0],
        token_readers=tuple(order[1:count]),
        induction=induction,
        fuzzy=_fuzzy(task, induction, count),
        duplicate=tuple(top_heads(seen.duplicate.mean(-1), count)),
        previous=tuple(top_heads(seen.previous.mean(-1), count)),
        outside=_least_important(task, {*movers[:2], *order[:count]}, count),
        outside_early=tuple(top_heads(-seen.induction.mean(-1), count)),
        outside_earliest=tuple(top_heads(-seen.previous.mean(-1), count)),
    )


def top_heads(values: Tensor, count: int) -> list[Head]:
    """The heads with the largest values of [layer head], the largest first."""
    order = values.flatten().argsort(descending=True)[:count].tolist()
    return [divmod(index, values.shape[1]) for index in order]


def _least_important(task: Task, known: set[Head], count: int) -> Heads:
    clean = task.difference().mean()
    found = {}
    for (head,) in every_head(task.lens):
        if head not in known:
            found[head] = (task.difference(task.outputs_on(ABC, [head])).mean() - clean).abs()
    return tuple(sorted(found, key=lambda head: found[head].item())[:count])


def _fuzzy(task: Task, induction: Heads, count: int) -> Heads:
    heads = [head for (head,) in every_head(task.lens)]
    seen = {head: task.attention(head, "S2", "S1+1").mean().item() for head in heads}
    order = sorted(seen, key=lambda head: -seen[head])
    return tuple(head for head in order if head not in induction)[:count]
