"""Which head plays which part: the document's indices for gelu-2l, or found by what heads do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from replications.models import Head
from replications.systems.name_recall.data import END
from replications.systems.name_recall.task import Task

Role = Literal["previous", "duplicate", "copying", "second"]
ROLES: tuple[Role, ...] = get_args(Role)
SEEN = 0.15
"""The lowest score with which a head can have a role that is defined by a score.

Heads of eight untrained models of the toys' shape reach 0.11.
"""
HELPS = 0.05
"""The smallest effect with which a head can be the second one, as a share of the clean metric."""

NO = torch.tensor(False)


@dataclass(frozen=True)
class Roles:
    """The heads of each part of the circuit, the most important first; none where nothing fills it.

    previous: write the first name at the last name's position; 0.2 in gelu-2l.
    duplicate: find the first occurrence of the first name; 0.1.
    copying: copy the last name to the last token, induction heads; 1.6.
    second: another head of the copying heads' layer that helps; 1.1.
    by_index: whether reports call the heads by index ("0.2"), as the document does, and not by
    role ("previous").
    candidates: the head that comes nearest to a role that nothing fills.
    """

    previous: tuple[Head, ...] = ()
    duplicate: tuple[Head, ...] = ()
    copying: tuple[Head, ...] = ()
    second: tuple[Head, ...] = ()
    by_index: bool = False
    candidates: Mapping[Role, Head] = field(default_factory=dict)

    def heads(self, role: Role) -> tuple[Head, ...]:
        """The heads that fill a role, the most important first."""
        found: tuple[Head, ...] = getattr(self, role)
        return found

    def best(self, role: Role) -> Head:
        """The most important head of a role, or the one that comes nearest if nothing fills it."""
        return self.heads(role)[0] if self.heads(role) else self.candidates[role]

    @property
    def taken(self) -> frozenset[Head]:
        """Every head that has a role."""
        return frozenset(head for role in ROLES for head in self.heads(role))

    def label(self, head: Head) -> str:
        """The role whose most important head this is, else the index, as with `by_index`."""
        roles = [] if self.by_index else [r for r in ROLES if self.heads(r)[:1] == (head,)]
        return roles[0] if roles else f"{head[0]}.{head[1]}"

    def by_label(self, values: Mapping[Head, float], roles: Sequence[Role]) -> dict[str, float]:
        """Values by label of the head, and 0 for those of `roles` that nothing fills."""
        absent = [role for role in roles if not self.heads(role)]
        return {self.label(head): v for head, v in values.items()} | dict.fromkeys(absent, 0.0)


PUBLISHED = Roles(
    previous=((0, 2),), duplicate=((0, 1),), copying=((1, 6),), second=((1, 1),), by_index=True
)
"""The heads that the document names in gelu-2l (Method 2)."""


def find_roles(task: Task) -> Roles:
    """The heads of each role, by one rule for every model.  No head has two roles.

    previous, duplicate: in the layers before the last one, the head with the highest
    previous-token and the one with the highest duplicate-token score.  A head is considered for
    the one of the two in which its score is higher.
    copying: in the layers after the previous-token head, the heads with at least half of the
    highest induction score there, in the order of their effects at the last token in the last-name
    corruption.  second: of the other heads of the first copying head's layer, the one with the
    largest such effect; none where no head copies.

    A score below `SEEN` or an effect below `HELPS` fills no role; the head is then a candidate.
    """
    previous, duplicate, induction = (
        score.mean(-1)
        for score in (task.scores.previous, task.scores.duplicate, task.scores.induction)
    )
    layer = torch.arange(task.layers)[:, None]
    early = layer < task.layers - 1
    back = previous.where(early & (previous >= duplicate), -torch.inf)
    itself = duplicate.where(early & (duplicate > previous), -torch.inf)
    looks_back, looks_for_itself = _filled(back, SEEN), _filled(itself, SEEN)

    first = looks_back[0][0] + 1 if looks_back else min(1, task.layers - 1)
    free = (
        (layer >= first)
        .expand_as(induction)
        .index_put(_index((*looks_back, *looks_for_itself)), NO)
    )
    induction = induction.where(free, -torch.inf)
    effect = task.effect("heads_by_position", "last_name")[..., END] / task.metric()
    copies = _ordered(effect, free & (induction >= induction.max() / 2))
    copying = tuple(head for head in copies if induction[head] >= SEEN)
    helps = (free & (layer == copies[0][0])).index_put(_index(copies), NO)
    effect = effect.where(helps, -torch.inf)
    return Roles(
        previous=looks_back,
        duplicate=looks_for_itself,
        copying=copying,
        second=_filled(effect, HELPS),
        candidates={
            "previous": _best(back),
            "duplicate": _best(itself),
            "copying": copies[0],
            "second": _best(effect),
        },
    )


def _index(heads: Sequence[Head]) -> tuple[Tensor, Tensor]:
    """Heads as an index of a tensor [layer head]."""
    layers, numbers = torch.tensor(heads, dtype=torch.long).view(-1, 2).T
    return layers, numbers


def _filled(values: Tensor, floor: float) -> tuple[Head, ...]:
    """The head with the largest of values [layer head] if that reaches the floor, else none."""
    best = _best(values)
    return (best,) if values[best] >= floor else ()


def _best(values: Tensor) -> Head:
    """The head with the largest of values [layer head]."""
    layer, head = divmod(int(values.argmax()), values.shape[1])
    return layer, head


def _ordered(values: Tensor, among: Tensor) -> list[Head]:
    """The heads of a mask [layer head], that with the largest value first."""
    heads = [(int(layer), int(head)) for layer, head in among.nonzero()]
    return sorted(heads, key=lambda head: -values[head].item())
