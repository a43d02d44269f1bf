"""Sequences that the classifier gets wrong: blind spots, and errors in the set."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from itertools import combinations

import torch
from torch import Tensor

from replications.systems.algorithmic.data import Examples
from replications.systems.algorithmic.data.palindrome import (
    NO,
    SECOND,
    YES,
    changed,
    equal_pairs,
    values_of,
)  # fmt: skip
from replications.systems.algorithmic.task import Task

BLIND = (17, 19)
"""The positions at which the document says that a difference is not seen."""


class Mistakes:
    """What is called a palindrome and is none."""

    def __init__(self, task: Task) -> None:
        self._task = task

    # ---------------------------------------------------------------- blind spots
    @cached_property
    def called_palindromes(self) -> Mapping[int, float]:
        """The share of palindromes of the set that are still called so when one number of the
        second half is raised by one modulo 31, by its position."""
        examples = self._task.examples
        palindromes = examples.tokens[examples.labels[:, 0] == YES]
        return {position: self._share_called(changed(palindromes, position)) for position in SECOND}

    def _share_called(self, tokens: Tensor) -> float:
        labels = torch.full((len(tokens), 1), NO)
        examples = Examples(tokens, labels, self._task.examples.answered)
        probability = self._task.logits(examples=examples).softmax(-1)[:, 0, YES]
        return (probability > 0.5).double().mean().item()

    def at_blind_spots(self) -> Mapping[str, float]:
        """The shares for a change at 17 and at 19."""
        return {str(position): self.called_palindromes[position] for position in BLIND}

    def best_elsewhere(self) -> Mapping[str, float]:
        """The largest share for a change at any other position, given for both."""
        others = [share for i, share in self.called_palindromes.items() if i not in BLIND]
        return {str(position): max(others) for position in BLIND}

    def spots(self, *, neighbours: bool = False) -> Mapping[str, int]:
        """How many positions of the second half are `blind`, and how many are `seen`.

        A position is blind if 99 % of the palindromes with a change there are still called so, and
        seen if not more than 10 % are. For controls, the number after it changes too.
        """
        shares = list(self.called_palindromes.values())
        if neighbours:
            shares = [self._share_both(position) for position in SECOND[:-1]]
        return {
            "blind": sum(share >= 0.99 for share in shares),
            "seen": sum(share <= 0.1 for share in shares),
        }

    def _share_both(self, position: int) -> float:
        """The share called palindromes after changes at a position and at the next one."""
        examples = self._task.examples
        palindromes = examples.tokens[examples.labels[:, 0] == YES]
        return self._share_called(changed(changed(palindromes, position), position + 1))

    # ---------------------------------------------------------------- the errors of the set
    @cached_property
    def wrong(self) -> Tensor:
        """Which sequences are given the wrong answer: bool [n]."""
        return self._task.log_probability()[:, 0].exp() < 0.5

    def of_type(self, positions: Collection[int]) -> Tensor:
        """Sequences that are unequal at some of these positions and nowhere else: bool [n]."""
        unequal = ~equal_pairs(self._task.tokens)
        named = torch.tensor([position in positions for position in SECOND])
        return unequal[:, named].any(1) & ~unequal[:, ~named].any(1)

    def natural(self) -> Mapping[str, object]:
        """The errors of the set, in its order.

        `sequences` are written as numbers; `blind` counts errors that are unequal at 17 or 19 and
        nowhere else, `others` the rest, and `right` the sequences of that type without error.
        """
        of_type = self.of_type(BLIND)
        rows = values_of(self._task.tokens)[self.wrong].tolist()
        return {
            "blind": int((self.wrong & of_type).sum()),
            "others": int((self.wrong & ~of_type).sum()),
            "right": int((~self.wrong & of_type).sum()),
            "sequences": [" ".join(map(str, row)) for row in rows],
        }

    def natural_elsewhere(self) -> Mapping[str, object]:
        """The same for all other pairs of positions together."""
        pairs = [pair for pair in combinations(SECOND, 2) if not {*pair} & {*BLIND}]
        found = [self.of_type(pair) for pair in pairs]
        of_type = torch.stack(found).any(0)
        return {
            **self.natural(),
            "blind": int((self.wrong & of_type).sum()),
            "others": int((self.wrong & ~of_type).sum()),
            "right": int((~self.wrong & of_type).sum()),
        }
