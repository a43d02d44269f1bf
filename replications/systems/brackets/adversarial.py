"""Strings built to fool the classifier: A)(B with A and B balanced, so one suffix is negative."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from replications.systems.brackets.data import (
    MAX_LENGTH,
    is_balanced_loop,
    suffix_elevation,
    tokenize,
)

if TYPE_CHECKING:
    from replications.systems.brackets.measure import BracketSubject

PUBLISHED_LENGTHS = tuple(range(2, 38, 2))
"""Lengths i of A in the published family; B has length 38 - i."""
STRONGEST = (24, 26, 28, 30, 32)
WEAK = (12, 14, 18, 34, 36)


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

    def __init__(self, subject: BracketSubject) -> None:
        self.s = subject

    def _confidence(self, *strings: str) -> list[float]:
        return self.s.behaviour.confidence(strings).tolist()

    @property
    def published_string(self) -> float:
        """Confidence, in per cent, of the published string (A of length 30, B of length 8)."""
        return 100 * self._confidence(attack(30))[0]

    @property
    def published_string_flat(self) -> float:
        """The same with A and B made of "()" only."""
        return 100 * self._confidence(flat(30) + ")(" + flat(8))[0]

    @cached_property
    def by_length(self) -> dict[int, float]:
        """Confidence by length of A, over the published family."""
        found = self._confidence(*(attack(i) for i in PUBLISHED_LENGTHS))
        return dict(zip(PUBLISHED_LENGTHS, found, strict=True))

    @property
    def strongest(self) -> float:
        """Lowest confidence among the lengths that the document names as best: 24 to 32."""
        return min(self.by_length[i] for i in STRONGEST)

    @property
    def weak(self) -> float:
        """Highest confidence among lengths 12, 14, 18, 34 and 36."""
        return max(self.by_length[i] for i in WEAK)

    @property
    def best_length(self) -> int:
        """Length of A with the highest confidence."""
        return max(self.by_length, key=lambda i: self.by_length[i])

    @property
    def printed_controls(self) -> list[float]:
        """Confidence, in per cent, of "()", "(())" and "))"."""
        return [100 * p for p in self._confidence("()", "(())", "))")]

    @property
    def gain_from_height(self) -> float:
        """Confidence of the published string less that of its flat counterpart."""
        return (self.published_string - self.published_string_flat) / 100

    @property
    def loss_from_height(self) -> float:
        """The opposite difference."""
        return -self.gain_from_height

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

    @property
    def negative_places(self) -> dict[str, float]:
        """Over the published family: positions with a negative suffix, most and fewest, and the
        lowest elevation there."""
        return _negative_places([attack(i) for i in PUBLISHED_LENGTHS])

    @property
    def negative_places_doubled(self) -> dict[str, float]:
        """The same for A))((B."""
        return _negative_places([nested(i) + "))((" + nested(36 - i) for i in range(2, 36, 2)])

    def undercounts(self, *lengths: int) -> float:
        """For A of the given lengths: share of '(' in the suffix of the '(' before B, as the
        elevation head weights it, less the true share; the largest."""
        return max(self._undercount(i) for i in lengths)

    def _undercount(self, length: int) -> float:
        weighted, true = self.s.elevation_head.weighted_and_true_share(attack(length), length + 2)
        return weighted - true

    @property
    def rule_confidence(self) -> float:
        """What the hand-written rule says of the published string, in per cent."""
        return 100.0 * is_balanced_loop(attack(30))


def _negative_places(strings: list[str]) -> dict[str, float]:
    elevation = suffix_elevation(tokenize(strings))
    counts = (elevation < 0).sum(-1)
    return {
        "most": int(counts.max()),
        "fewest": int(counts.min()),
        "lowest_elevation": int(elevation.min()),
    }
