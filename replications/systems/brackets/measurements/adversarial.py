"""Section 4 of the document: strings built to fool the classifier.

They are A)(B with A and B balanced, so that exactly one suffix is negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from replications.models import Head
from replications.systems.brackets.data import (
    MAX_LENGTH,
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
    string: str
    confidence: float


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
        return self._by_length(nested)

    @cached_property
    def flat_by_length(self) -> dict[int, float]:
        """Confidence by length of A, with A and B of the same lengths but made of "()" only."""
        return self._by_length(flat)

    def _by_length(self, shape: Callable[[int], str]) -> dict[int, float]:
        found = self._confidence(*(shape(i) + ")(" + shape(38 - i) for i in PUBLISHED_LENGTHS))
        return dict(zip(PUBLISHED_LENGTHS, found, strict=True))

    def confidence_at(
        self, lengths: Iterable[int], extreme: Callable[[Iterable[float]], float] = min
    ) -> float:
        """The lowest (or, with `extreme` = max, the highest) confidence of the published family
        over these lengths of A."""
        return extreme(self.by_length[i] for i in lengths)

    def best_length(self, *, flat_halves: bool = False) -> int:
        """Length of A with the highest confidence."""
        found = self.flat_by_length if flat_halves else self.by_length
        return max(found, key=lambda i: found[i])

    def lowest_rank(self, lengths: Iterable[int]) -> int:
        """The place of the least convincing of these lengths of A in the published family."""
        ranked = sorted(self.by_length, key=lambda i: -self.by_length[i])
        return 1 + max(ranked.index(i) for i in lengths)

    def printed_controls(self, *, exchanged: bool = False, masked: bool = True) -> list[float]:
        """Confidence, in per cent, of "()", "(())" and "))"; see `Task.per_cent_balanced`."""
        strings = ("()", "(())", "))")
        return self.task.per_cent_balanced(strings, exchanged=exchanged, masked=masked)

    def gain_from_height(self, length: int = 30) -> float:
        """Confidence of the string with A of this length less that of its flat counterpart."""
        return self.by_length[length] - self.flat_by_length[length]

    @cached_property
    def family(self) -> tuple[Attack, ...]:
        """Every A)(B with nested, non-empty A and B, up to 40 brackets, most convincing first."""
        return self._family(nested)

    def _family(self, shape: Callable[[int], str]) -> tuple[Attack, ...]:
        sizes = [
            (a, b)
            for a in range(2, MAX_LENGTH, 2)
            for b in range(2, MAX_LENGTH, 2)
            if a + b + 2 <= MAX_LENGTH
        ]
        strings = [shape(a) + ")(" + shape(b) for a, b in sizes]
        found = zip(sizes, strings, self._confidence(*strings), strict=True)
        attacks = (Attack(*size, string, p) for size, string, p in found)
        return tuple(sorted(attacks, key=lambda attack: -attack.confidence))

    def family_profile(self, *, flat_halves: bool = False) -> dict[str, float]:
        """Of the whole family: how many strings are called balanced, and the lengths of A and B in
        the most convincing one. With `flat_halves`, of the strings with flat A and B."""
        family = self._family(flat) if flat_halves else self.family
        return {
            "called_balanced": sum(a.confidence > 0.5 for a in family),
            "best_a": family[0].left,
            "best_b": family[0].right,
        }

    def negative_positions(self, strings: Sequence[str] = ()) -> dict[str, object]:
        """Over the published family, or over other strings: how many positions of each string have
        a negative suffix, and the lowest elevation at any of them."""
        strings = strings or [attack(i) for i in PUBLISHED_LENGTHS]
        elevation = suffix_elevation(tokenize(strings))
        counts = (elevation < 0).sum(-1)
        return {"in_each_string": counts.tolist(), "lowest_elevation": int(elevation.min())}

    def undercounts(self, *lengths: int, head: Head | None = None) -> float:
        """By how much the '(' before B overrates the share of '(' in its own suffix.

        The share as the elevation head (or another head of layer 0) weights it, less the true
        share: the largest difference over the given lengths of A. Negative if the head counts too
        few '(' in every one.
        """
        return max(self._undercount(i, head) for i in lengths)

    def overcounting_attacks(self, *lengths: int) -> dict[str, float]:
        """Of the given lengths of A: the lowest confidence, and the least amount by which the '('
        before B overrates the share of '(' in its own suffix."""
        return {
            "lowest_confidence": self.confidence_at(lengths),
            "smallest_overcount": min(self._undercount(i) for i in lengths),
        }

    def _undercount(self, length: int, head: Head | None = None) -> float:
        found = ElevationHead(self.task, head or self.roles.elevation)
        weighted, true = found.weighted_and_true_share(attack(length), length + 2)
        return weighted - true
