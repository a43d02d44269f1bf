"""Which head plays which part: the published indices of GPT-2 small, or found by what heads do."""

from __future__ import annotations

from dataclasses import dataclass

from replications.errors import BadInput
from replications.models.sites import Q
from replications.patching import every_head
from replications.systems.ioi.backup import top_heads
from replications.systems.ioi.early import Early
from replications.systems.ioi.prompts import ABC
from replications.systems.ioi.task import Head, Task

Heads = tuple[Head, ...]
WRITES = 0.1
"""A name mover's attribution is at least this share of the largest."""


@dataclass(frozen=True)
class Roles:
    """The heads of the circuit, and heads outside it to compare with."""

    name_mover: Head
    name_movers: Heads
    """Every head that writes the indirect object, backups included."""
    negative: Heads
    s_inhibition: Heads
    biggest_inhibition: Head
    token_readers: Heads
    """S-inhibition heads that pass on the token as well as the position."""
    induction: Heads
    fuzzy: Heads
    """Heads that are induction heads on these prompts only."""
    duplicate: Heads
    previous: Heads
    outside: Heads
    """As many heads outside the circuit as there are S-inhibition heads, near them."""
    outside_early: Heads
    """Heads outside the circuit in the layers of the induction heads."""
    outside_earliest: Heads
    """As many as there are previous-token heads, in front of the induction heads."""


GPT2_SMALL = Roles(
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
"""Wang et al. 2022, arXiv:2211.00593; those outside are our choice of heads it does not name."""


def by_behaviour(task: Task, early: Early, count: int = 2) -> Roles:
    """The same parts, found in any model by what its heads do.

    Name mover: the largest direct attribution, and all that have a tenth of it; negative: the
    smallest. S-inhibition: the largest effect through the queries of the top name mover behind the
    first layer. Outside: of the rest, those that matter least when they give what they give on ABC
    prompts. Induction, duplicate and previous: the highest score on random tokens said twice;
    outside and early: the lowest. Fuzzy: of the rest, the most attention from S2 to the token after
    S1. Raises BadInput for a model of one layer.
    """
    if task.lens.shape.n_layers < 2:
        raise BadInput("one layer has no circuit: give a model with at least two")
    direct = task.attribution.heads.mean(-1)
    ranked = top_heads(direct, direct.numel())
    movers = [head for head in ranked if direct[head] > WRITES * direct[ranked[0]]]
    effects = early.every_effect(Q, [next(head for head in ranked if head[0] > 0)])
    order = sorted(effects, key=lambda head: effects[head])
    seen = early.repeated
    induction_scores = seen.induction.mean(-1)
    induction = tuple(top_heads(induction_scores, count))
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
        outside_early=tuple(top_heads(-induction_scores, count)),
        outside_earliest=tuple(top_heads(-seen.previous.mean(-1), count)),
    )


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
