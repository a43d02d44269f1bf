"""Where the heads look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from replications.analysis.statistics import ratio
from replications.models import Head, sites
from replications.systems.algorithmic.data.palindrome import (
    AT_END,
    SECOND,
    YES,
    all_unequal,
    equal_pairs,
    generate,
    mirror,
    mirrored,
)  # fmt: skip
from replications.systems.algorithmic.measurements.palindrome.mistakes import BLIND
from replications.systems.algorithmic.roles import PalindromeRoles
from replications.systems.algorithmic.task import Task

SEEING = tuple(i for i in SECOND if i not in BLIND)
"""The eight positions that the document's means are over."""
COPIES, COPIES_SEED, RISES_SEED = 1_000, 42, 0
"""The sequences whose pairs are made equal and unequal; the published rises cannot be redrawn,
because they came from a generator on a GPU."""


class Attention:
    """Attention of head 0.0 to mirrors, and of layer 1 from END."""

    def __init__(self, task: Task, roles: PalindromeRoles) -> None:
        self._task = task
        self._roles = roles

    # ---------------------------------------------------------------- mirror or itself
    def largest(self, head: Head | None = None) -> tuple[Tensor, Tensor]:
        """How often a position of the second half attends most to its mirror where they are equal,
        and to itself where they are not: two shares of rows, [second]."""
        weights = self._task.pattern(self._roles.compare if head is None else head)
        most = weights[:, list(SECOND)].argmax(-1)  # [n second]
        equal = equal_pairs(self._task.tokens)
        mirrors = torch.tensor([mirror(i) for i in SECOND])
        to_mirror, to_itself = most == mirrors, most == torch.tensor(SECOND)
        return _share(to_mirror, equal), _share(to_itself, ~equal)

    def mirror_or_itself(
        self, head: Head | None = None, *, blind: bool = False
    ) -> Mapping[str, float]:
        """The smallest shares over positions: `equal` and, without 20, `unequal`; `unequal_at_20`.

        With `blind`, for controls, the larger share of the blind spots 17 and 19 in each place.
        """
        equal, unequal = self.largest(head)
        at = {i: place for place, i in enumerate(SECOND)}
        if blind:
            both = [at[i] for i in BLIND]
            share = unequal[both].max().item()
            return {
                "equal": equal[both].max().item(), "unequal": share, "unequal_at_20": share
            }  # fmt: skip
        seeing = [at[i] for i in SEEING]
        return {
            "equal": equal[seeing].min().item(),
            "unequal": unequal[seeing[:-1]].min().item(),
            "unequal_at_20": unequal[at[20]].item(),
        }

    def comparing(self, head: Head | None = None) -> int:
        """At how many positions of the second half the largest attention is at the mirror in 95 %
        of the sequences where they are equal, and at the position itself in 60 % of the others."""
        equal, unequal = self.largest(head)
        return int(((equal >= 0.95) & (unequal >= 0.6)).sum())

    # ---------------------------------------------------------------- a pair made unequal
    @cached_property
    def _on_copies(self) -> tuple[Tensor, Tensor]:
        """Mean patterns of layer 0 on palindromes, and on copies without any equal pair.

        Each is [head query key].
        """
        base = generate(COPIES, COPIES_SEED).tokens
        rises = torch.Generator().manual_seed(RISES_SEED)
        place = sites.PATTERN(0)
        equal, unequal = (
            self._task.prepared.read(tokens, {"pattern": place})["pattern"].double().mean(0)
            for tokens in (mirrored(base), all_unequal(base, rises))
        )
        return equal, unequal

    def difference(self, head: Head | None = None) -> tuple[Tensor, Tensor]:
        """What making all pairs unequal does to a head of layer 0: two vectors [second].

        The rise of the attention of each position to itself, and the fall of that to its mirror.
        """
        _, number = self._roles.compare if head is None else head
        equal, unequal = (pattern[number] for pattern in self._on_copies)
        itself, mirrors = list(SECOND), [mirror(i) for i in SECOND]
        change = unequal - equal
        return change[itself, itself], -change[itself, mirrors]

    def moved(
        self, head: Head | None = None, *, over: Sequence[int] = SEEING
    ) -> Mapping[str, float | list[float]]:
        """Mean `rise` and `fall` of `difference` over some positions, and both at each pair."""
        rise, fall = self.difference(head)
        chosen = [SECOND.index(i) for i in over]
        return {
            "rise": rise[chosen].mean().item(),
            "fall": fall[chosen].mean().item(),
            "rises": rise.tolist(),
            "falls": fall.tolist(),
        }

    def compares(self, head: Head) -> float:
        """The mean fall of a head's attention to mirrors when all pairs are made unequal."""
        return self.difference(head)[1].mean().item()

    def moved_everywhere(self, head: Head | None = None) -> Mapping[str, float]:
        """Mean `rise` and `fall` of `difference` over all ten positions."""
        rise, fall = self.difference(head)
        return {"rise": rise.mean().item(), "fall": fall.mean().item()}

    def moved_at(self, position: int) -> float:
        """The rise of the attention of one position to itself in head 0.0."""
        return self.difference()[0][SECOND.index(position)].item()

    # ---------------------------------------------------------------- from END
    def from_end(self, head: Head) -> tuple[Tensor, Tensor]:
        """Mean attention from END to each position of the second half: two vectors [second].

        Over the sequences in which the pair is unequal, and over those in which it is equal.
        """
        weights = self._task.pattern(head)[:, AT_END, list(SECOND)]
        equal = equal_pairs(self._task.tokens)
        return _share(weights, ~equal), _share(weights, equal)

    def collects(self, head: Head) -> float:
        """How much more END attends to unequal pairs than to equal ones, on average."""
        unequal, equal = self.from_end(head)
        return (unequal - equal).mean().item()

    def collecting(self, head: Head | None = None) -> Mapping[str, float]:
        """How END attends to unequal pairs in head 1.0, or in another, without naming positions.

        `ratio` is the mean attention to unequal pairs over that to equal ones, and `positions`
        counts the positions at which it is at least twice as large.
        """
        unequal, equal = self.from_end(self._roles.collect if head is None else head)
        return {
            "ratio": ratio(unequal.sum().item(), equal.sum().item()),
            "positions": int((unequal >= 2 * equal).sum()),
        }

    def end(
        self, *, exchanged: bool = False, resting: Head | None = None
    ) -> Mapping[str, float | list[float]]:
        """What END attends to in head 1.0, and in head 1.1 at position 20.

        `start` is the mean attention of head 1.0, or of `resting`, to START over palindromes.
        `exchanged` exchanges the heads, for controls.
        """
        collect, last = self._roles.collect, self._roles.last
        if exchanged:
            collect, last = last, collect
        unequal, equal = self.from_end(collect)
        at_20, at_20_equal = (values[-1].item() for values in self.from_end(last))
        palindromes = self._task.examples.labels[:, 0] == YES
        return {
            "unequal": unequal.tolist(),
            "equal": equal.tolist(),
            "last_at_20": at_20,
            "last_ratio": at_20 / at_20_equal,
            "start": self._task.pattern(resting or collect)[palindromes, AT_END, 0].mean().item(),
        }


def _share(values: Tensor, rows: Tensor) -> Tensor:
    """Means of values [n second] over the rows chosen in `rows`, bool [n second]: [second]."""
    return (values * rows).sum(0).double() / rows.sum(0)
