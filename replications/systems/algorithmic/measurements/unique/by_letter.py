"""What the document says of single letters, counted over all ten.

A letter's *copy head* is the head of layer 0 that looks most at earlier copies of the letter, and
its *own head* the one of layer 1 that the letter belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor

from replications.models import Head
from replications.systems.algorithmic.measurements.unique.attention import Attention
from replications.systems.algorithmic.measurements.unique.behaviour import Behaviour, division
from replications.systems.algorithmic.measurements.unique.circuits import STRONG, Circuits
from replications.systems.algorithmic.roles import UniqueRoles
from replications.systems.algorithmic.task import Task

LOOKS = 0.25
"""The weight on earlier copies of a head that looks for them: about twice that of uniform
attention."""
SUPPRESSES = -25
"""What a path adds to the logit of its letter if it suppresses the letter."""


class ByLetter:
    """Letters counted, with heads found by what they do."""

    def __init__(self, task: Task, roles: UniqueRoles) -> None:
        self._task = task
        self._roles = roles
        self._copies = cache(self._to_copies)
        self._attention = Attention(task, roles)
        self._behaviour = Behaviour(task, roles)
        self._circuits = Circuits(task, roles)

    def _heads(self, layer: int) -> list[Head]:
        return [head for head in self._task.heads if head[0] == layer]

    # ---------------------------------------------------------------- attention
    def _to_copies(self, layer: int) -> Tensor:
        """The weight on earlier copies of each letter: [head letter]."""
        return torch.stack([self._attention.to_copies(head) for head in self._heads(layer)])

    def looking_back(self, layer: int = 0, *, uniform: bool = False) -> Mapping[str, float]:
        """How the heads of layer 0 look at earlier copies of letters.

        `weakest`: the weight that a letter's copy head gives them, for the letter for which it is
        smallest. `letters`: how many letters one head looks back at with at least `LOOKS`. For
        controls, the heads of another layer, or uniform attention.
        """
        found = self._attention.to_copies(None)[None] if uniform else self._copies(layer)
        return {
            "weakest": found.amax(0).min().item(),
            "letters": int((found >= LOOKS).sum(1).max()),
        }

    def shared_out(self, layer: int = 1, *, first: bool = False) -> Mapping[str, float]:
        """How the heads of layer 1 divide the letters by their attention to repeated occurrences.

        `factor`: see `division`. `largest`: how many letters belong to the head that owns most. For
        controls, the heads of layer 0, or attention to first occurrences.
        """
        weights = [self._attention.to_occurrences(h, first=first) for h in self._heads(layer)]
        domains, factor = division(torch.stack(weights))
        return {"factor": factor, "largest": max(map(len, domains))}

    def first_letter(self, early: Head | None = None) -> Mapping[str, float]:
        """How the first letter looks at itself, and whether the duplicates head does so anywhere.

        `pattern` and `avoids` of `Circuits.first_to_itself`; another head may take the place of the
        two that are said to find early letters.
        """
        found = self._circuits.first_to_itself(early)
        return {name: found[name] for name in ("pattern", "avoids")}

    # ---------------------------------------------------------------- ablation
    def causal(self, layer: int = 1) -> Mapping[str, float]:
        """How the heads of layer 1 divide the letters by what is lost without each.

        `agree`: how many letters belong to the same head by attention. `factor`: see `division`.
        For controls, the heads of layer 0 in the same order.
        """
        rises = [self._behaviour.rises(head) for head in self._heads(layer)]
        domains, factor = division(torch.stack(rises), by_head=True)
        owners = self._roles.owners
        pairs = [(letter, number) for number, letters in enumerate(domains) for letter in letters]
        return {
            "agree": sum(owners[letter] == (1, number) for letter, number in pairs),
            "factor": factor,
        }

    # ---------------------------------------------------------------- paths
    def _own(self, paths: list[list[float]], chosen: Tensor) -> Tensor:
        """One path for each letter, from the head of layer 0 chosen for it: [letter]."""
        return torch.tensor(paths).gather(0, chosen[None])[0]

    def suppressed(self, *, outside: bool = False, least: bool = False) -> Mapping[str, int]:
        """How many letters are suppressed through their own head of layer 1.

        `copies`: from the letter's copy head. `direct`: from the letter itself. For controls, the
        mean of the letters that the own head does not own, or from the head of layer 0 that looks
        least at copies, for both.
        """
        paths = [self._circuits.owned(head, outside=outside) for head in self._heads(0)]
        copies = self._copies(0)
        from_copies = self._own(paths, copies.argmin(0) if least else copies.argmax(0))
        direct = torch.tensor(self._circuits.owned(None, outside=outside))
        found = {"copies": from_copies, "direct": from_copies if least else direct}
        return {name: int((values <= SUPPRESSES).sum()) for name, values in found.items()}

    def boosted(self, *, by_copies: bool = False) -> int:
        """How many letters have a strong path through their own head, from a head of layer 0 other
        than their copy head; or for controls from this one."""
        paths = torch.tensor([self._circuits.owned(head) for head in self._heads(0)])
        copies = torch.zeros_like(paths, dtype=torch.bool)
        copies.scatter_(0, self._copies(0).argmax(0)[None], value=True)
        return int(((paths >= STRONG) & (copies == by_copies)).any(0).sum())

    def copied(self, head: Head | None = None, *, direct: bool = False) -> int:
        """How many letters 0.0 and 0.2 copy, twenty at most; see `Circuits.copying`.

        For controls, another head in the place of both, or the direct path.
        """
        found = (
            [self._circuits.direct()] * 2
            if direct
            else [self._circuits.through(head or early) for early in self._roles.early]
        )
        return int((torch.stack(found) > 0).sum())
