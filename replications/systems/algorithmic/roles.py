"""Which head or neuron plays which part in each model: the published indices, or found.

In models that were trained here, the parts are found by what heads and neurons do, by rules that
give the published indices on the published weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from replications.models import Head
from replications.systems.algorithmic.data.unique import LETTERS


@dataclass(frozen=True)
class PalindromeRoles:
    """The heads of the palindrome classifier."""

    compare: Head = (0, 0)
    """Looks from a number of the second half at its mirror, or at itself if they differ."""
    other: Head = (0, 1)
    """The other head of layer 0; it works at position 20 alone."""
    collect: Head = (1, 0)
    """Looks from END at unequal pairs, except at 17, 19 and 20."""
    last: Head = (1, 1)
    """Looks from END at position 20."""

    @property
    def named(self) -> Mapping[str, Head]:
        """The heads by what the document calls them."""
        heads = (self.compare, self.other, self.collect, self.last)
        return dict(zip(("0.0", "0.1", "1.0", "1.1"), heads, strict=True))

    @property
    def exchanged(self) -> PalindromeRoles:
        """The heads of each layer in each other's place, for controls."""
        return PalindromeRoles(self.other, self.compare, self.last, self.collect)


def palindrome_roles(compares: Sequence[float], collects: Sequence[float]) -> PalindromeRoles:
    """The heads of layer 0 by how much each compares, those of layer 1 by how much each collects.

    Of the two heads of a layer the larger value has the part. If neither plays it, claims about the
    part do not hold.
    """
    compare = int(compares[1] > compares[0])
    collect = int(collects[1] > collects[0])
    return PalindromeRoles((0, compare), (0, 1 - compare), (1, collect), (1, 1 - collect))


@dataclass(frozen=True)
class UniqueRoles:
    """The heads of the first-unique-letter model."""

    duplicates: Head = (0, 1)
    """Looks back at earlier copies of the same letter."""
    early: tuple[Head, Head] = ((0, 0), (0, 2))
    """Are said to find early letters; the second one also looks back at a, b and g."""
    domains: tuple[tuple[Head, str], ...] = (((1, 0), "ac"), ((1, 1), "defj"), ((1, 2), "bghi"))
    """The heads of layer 1, and the letters that each of them answers for."""

    @property
    def owners(self) -> Mapping[str, Head]:
        """The head that answers for each letter."""
        return {letter: head for head, letters in self.domains for letter in letters}

    @property
    def domain(self) -> Mapping[Head, str]:
        """The letters that each head of layer 1 answers for."""
        return dict(self.domains)


def unique_roles(copies: Sequence[float], repeated: Tensor) -> UniqueRoles:
    """The heads of layer 0 by how much each looks at earlier copies of letters: [head].

    The first of them has the part of 0.1, the second that of 0.2. `repeated` is how much each head
    of layer 1 looks at repeated occurrences of each letter, [head letter]: a letter belongs to the
    head with the largest value, and a head may own none.
    """
    duplicates, second, first = sorted(range(len(copies)), key=lambda n: copies[n], reverse=True)
    owners = repeated.argmax(0).tolist()
    domains = tuple(
        ((1, n), "".join(LETTERS[i] for i, owner in enumerate(owners) if owner == n))
        for n in range(len(repeated))
    )
    return UniqueRoles((0, duplicates), ((0, first), (0, second)), domains)


Cell = tuple[Head, str]
"""A head and what stands at its position."""


@dataclass(frozen=True)
class SumRoles:
    """The heads of the addition model, and where they are said to find carries."""

    carries: tuple[Cell, ...] = (((0, 0), "C1"), ((0, 1), "B3"), ((0, 2), "="))
    """The cells that tell the carry into C2, C1, C0."""
    early: tuple[Head, Head, Head] = ((0, 0), (0, 1), (0, 2))
    """The heads of layer 0; the first writes carries alone."""
    late: tuple[Head, Head, Head] = ((1, 0), (1, 1), (1, 2))

    @property
    def beside_carries(self) -> tuple[Cell, ...]:
        """The next head of layer 0 at the position of each carry cell, for controls."""
        n = len(self.early)
        return tuple(((0, (head[1] + 1) % n), name) for head, name in self.carries)

    @property
    def above_carries(self) -> tuple[Cell, ...]:
        """The head of layer 1 of the same number at each of these positions, for controls."""
        return tuple(((1, head[1]), name) for head, name in self.carries)


def sum_roles(steps: Sequence[float], carries: Sequence[Cell]) -> SumRoles:
    """The heads of layer 0, the one that writes most like a step first, and the carry cells.

    `steps` says how much what each head writes about digits is like a step: [head].
    """
    step = max(range(len(steps)), key=lambda n: steps[n])
    first, second = (n for n in range(len(steps)) if n != step)
    return SumRoles(tuple(carries), ((0, step), (0, first), (0, second)))


@dataclass(frozen=True)
class SortedRoles:
    """The heads of the sorting model, and the numbers that each of them copies."""

    middle: Head = (0, 0)
    """Copies the numbers of the domain."""
    rest: Head = (0, 1)
    """Copies all others."""
    domain: tuple[int, ...] = tuple(range(28, 38))
    """The numbers of the domain, in order; empty if there are none."""

    @property
    def named(self) -> Mapping[str, Head]:
        """The heads by what the document calls them."""
        return {"0.0": self.middle, "0.1": self.rest}


def sorted_roles(copied: Sequence[Sequence[int]]) -> SortedRoles:
    """The heads by the numbers that each of them copies: that with fewer has the domain."""
    middle = int(len(copied[1]) < len(copied[0]))
    return SortedRoles((0, middle), (0, 1 - middle), tuple(copied[middle]))


USEFUL = 0.01
"""A neuron is useful if the loss without it rises at least this share of the largest rise."""


@dataclass(frozen=True)
class CumsumRoles:
    """The neurons of the running-sum model by the sign that they serve."""

    larger: tuple[int, ...] = (0, 1, 3, 4)
    """The useful neurons that fire more often for one sign: the sign that more of them serve."""
    smaller: tuple[int, ...] = (2, 7)
    """Those that fire more often for the other sign; empty where there are none."""
    idle: tuple[int, ...] = (5, 6)
    """The rest, without which the model is as good; empty where every neuron is useful."""

    @property
    def useful(self) -> tuple[int, ...]:
        """The neurons of both sets, in order."""
        return tuple(sorted(self.larger + self.smaller))

    @property
    def exchanged(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Both sets, for controls, with their last members exchanged; 4 and 7 in the published."""
        return (
            self.larger[:-1] + self.smaller[-1:],
            self.smaller[:-1] + self.larger[-1:],
        )


def useful_neurons(rises: Tensor) -> list[int]:
    """The neurons that are useful by the rise in loss without each, [neuron]; see `USEFUL`."""
    floor = USEFUL * rises.max().item()
    return [i for i, rise in enumerate(rises.tolist()) if rise > 0 and rise >= floor]


def cumsum_roles(rises: Tensor, signs: Sequence[int]) -> CumsumRoles:
    """The sets of neurons, from the rise in loss without each and the label it fires for.

    Of sets of one size that of the smaller label is called the larger.
    """
    useful = useful_neurons(rises)
    by_label = [tuple(i for i in useful if signs[i] == o) for o in sorted(set(signs))]
    larger, smaller, *_ = *sorted(by_label, key=len, reverse=True), (), ()
    idle = tuple(i for i in range(len(rises)) if i not in useful)
    return CumsumRoles(larger, smaller, idle)


def label(head: Head) -> str:
    """A head as the document writes it: "0.1"."""
    return f"{head[0]}.{head[1]}"
