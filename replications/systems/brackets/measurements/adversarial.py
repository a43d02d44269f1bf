"""Section 4 of the document: strings built to fool the classifier.

They are A)(B with A and B balanced, so that exactly one suffix is negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import NamedTuple

from replications.systems.brackets.data import (
    MAX_LENGTH,
    is_balanced_loop,
    suffix_elevation,
    tokenize,
)
from replications.systems.brackets.measurements.elevation_head import ElevationHead
from replications.systems.brackets.roles import Roles
from replications.systems.brackets.task import Task

PUBLISHED_LENGTHS = tuple(range(2, 38, 2))
"""Lengths i of A in the published family; B has length 38 - i."""


def nested(length: int) -> str:
    """ "((…))" of an even length: the tallest balanced string."""
    return "(" * (length // 2) + ")" * (length // 2)


def flat(length: int) -> str:
    """ "()()…" of an even length: the lowest balanced string."""
    return "()" * (length // 2)


def attack(length: int, total: int = 38) -> str:
    """A)(B with A nested of `length` and B nested of `total - length`."""
    return nested(length) + ")(" + nested(total - length)


class Attack(NamedTuple):
    """One string of the family and how sure the model is that it is balanced."""

    left: int
    right: int
    confidence: float

    @property
    def string(self) -> str:
        return nested(self.left) + ")(" + nested(self.right)


class Adversarial:
    """Confidences, between 0 and 1, that unbalanced strings are balanced."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self.task = task
        self.roles = roles

    def _confidence(self, *strings: str) -> list[float]:
        return self.task.confidence(strings).tolist()

    def published_attack(self, *, flat_halves: bool = False) -> float:
        """Confidence, in per cent, of the published string: A of length 30 and B of length 8, both
        nested. With `flat_halves`, A and B are made of "()" only."""
        string = flat(30) + ")(" + flat(8) if flat_halves else attack(30)
        return 100 * self._confidence(string)[0]

    @cached_property
    def by_length(self) -> dict[int, float]:
        """Confidence by length of A, over the published family."""
        found = self._confidence(*(attack(i) for i in PUBLISHED_LENGTHS))
        return dict(zip(PUBLISHED_LENGTHS, found, strict=True))

    def confidence_at(
        self, lengths: Iterable[int], extreme: Callable[[Iterable[float]], float] = min
    ) -> float:
        """The lowest (or, with `extreme` = max, the highest) confidence of the published family
        over these lengths of A."""
        return extreme(self.by_length[i] for i in lengths)

    @property
    def best_length(self) -> int:
        """Length of A with the highest confidence."""
        return max(self.by_length, key=lambda i: self.by_length[i])

    @property
    def printed_controls(self) -> list[float]:
        """Confidence, in per cent, of "()", "(())" and "))"."""
        return [100 * p for p in self._confidence("()", "(())", "))")]

    def gain_from_height(self, *, swapped: bool = False) -> float:
        """Confidence of the published string less that of its flat counterpart.

        With `swapped`, that of the flat one less that of the published one.
        """
        gain = self.published_attack() - self.published_attack(flat_halves=True)
        return (-gain if swapped else gain) / 100

    @cached_property
    def family(self) -> tuple[Attack, ...]:
        """Every A)(B with nested, non-empty A and B, up to 40 brackets, most convincing first."""
        sizes = [
            (a, b)
            for a in range(2, MAX_LENGTH, 2)
            for b in range(2, MAX_LENGTH, 2)
            if a + b + 2 <= MAX_LENGTH
        ]
        found = self._confidence(*(nested(a) + ")(" + nested(b) for a, b in sizes))
        attacks = (Attack(a, b, p) for (a, b), p in zip(sizes, found, strict=True))
        return tuple(sorted(attacks, key=lambda attack: -attack.confidence))

    @property
    def family_profile(self) -> dict[str, float]:
        """Of the whole family: its size, how many strings are called balanced, and the lengths of A
        and B in the most convincing one."""
        best = self.family[0]
        return {
            "strings": len(self.family),
            "called_balanced": sum(a.confidence > 0.5 for a in self.family),
            "best_a": best.left,
            "best_b": best.right,
        }

    def negative_positions(self, *, doubled: bool = False) -> dict[str, float]:
        """Over the published family, or with `doubled` over A))((B: the most and the fewest
        positions with a negative suffix in a string, and the lowest elevation at any of them."""
        strings = [nested(i) + "))((" + nested(36 - i) for i in range(2, 36, 2)]
        if not doubled:
            strings = [attack(i) for i in PUBLISHED_LENGTHS]
        elevation = suffix_elevation(tokenize(strings))
        counts = (elevation < 0).sum(-1)
        return {
            "most": int(counts.max()),
            "fewest": int(counts.min()),
            "lowest_elevation": int(elevation.min()),
        }

    def undercounts(self, *lengths: int) -> float:
        """By how much the '(' before B overrates the share of '(' in its own suffix.

        The share as the elevation head weights it, less the true share: the largest difference
        over the given lengths of A. Negative if the head counts too few '(' in every one.
        """
        return max(self._undercount(i) for i in lengths)

    def _undercount(self, length: int) -> float:
        head = ElevationHead(self.task, self.roles.elevation)
        weighted, true = head.weighted_and_true_share(attack(length), length + 2)
        return weighted - true

    @property
    def rule_confidence(self) -> float:
        """What the hand-written rule says of the published string, in per cent."""
        return 100.0 * is_balanced_loop(attack(30))
