"""The models under the microscope: one kind of subject for each problem."""

from __future__ import annotations

from functools import cached_property

import torch

from replications.systems.algorithmic.base import AlgorithmicSubject
from replications.systems.algorithmic.data import (
    Examples,
    addition,
    cumsum,
    palindrome,
    sorting,
    unique,
)
from replications.systems.algorithmic.measurements import addition as of_sum
from replications.systems.algorithmic.measurements import cumsum as of_cumsum
from replications.systems.algorithmic.measurements import palindrome as of_palindrome
from replications.systems.algorithmic.measurements import sorting as of_sorted
from replications.systems.algorithmic.measurements import unique as of_unique
from replications.systems.algorithmic.model import (
    CUMSUM,
    PALINDROME,
    SORTED,
    SUM,
    SUM_ONE_LAYER,
    UNIQUE,
)
from replications.systems.algorithmic.roles import (
    CumsumRoles,
    PalindromeRoles,
    SortedRoles,
    SumRoles,
    UniqueRoles,
    cumsum_roles,
    palindrome_roles,
    sorted_roles,
    sum_roles,
    unique_roles,
)


class PalindromeSubject(AlgorithmicSubject):
    """A palindrome classifier."""

    model = PALINDROME
    symbols = palindrome.SYMBOLS

    @staticmethod
    def _drawn() -> Examples:
        return palindrome.generate(palindrome.SET_SIZE, palindrome.SET_SEED)

    @cached_property
    def roles(self) -> PalindromeRoles:
        """The head that compares pairs, the one that collects what it found, and the others."""
        if self.of is not None:
            return self.of.roles
        if not self.by_role:
            return PalindromeRoles()
        attention = of_palindrome.Attention(self.task, PalindromeRoles())
        return palindrome_roles(
            [attention.compares((0, number)) for number in (0, 1)],
            [attention.collects((1, number)) for number in (0, 1)],
        )

    @cached_property
    def behaviour(self) -> of_palindrome.Behaviour:
        """Losses and logit differences, whole and ablated."""
        return of_palindrome.Behaviour(self.task, self.roles)

    @cached_property
    def attention(self) -> of_palindrome.Attention:
        """Where the heads look."""
        return of_palindrome.Attention(self.task, self.roles)

    @cached_property
    def circuits(self) -> of_palindrome.Circuits:
        """What the weights say."""
        return of_palindrome.Circuits(self.task, self.roles)

    @cached_property
    def mistakes(self) -> of_palindrome.Mistakes:
        """What it gets wrong."""
        return of_palindrome.Mistakes(self.task)


class UniqueSubject(AlgorithmicSubject):
    """A first-unique-letter model."""

    model = UNIQUE
    symbols = unique.SYMBOLS

    @staticmethod
    def _drawn() -> Examples:
        return unique.generate(unique.SET_SIZE, unique.SET_SEED)

    @cached_property
    def roles(self) -> UniqueRoles:
        """The head that looks for duplicates, the other two of layer 0, and who owns a letter."""
        if self.of is not None:
            return self.of.roles
        if not self.by_role:
            return UniqueRoles()
        attention = of_unique.Attention(self.task, UniqueRoles())
        early, late = ([head for head in self.task.heads if head[0] == layer] for layer in (0, 1))
        return unique_roles(
            [attention.to_copies(head).mean().item() for head in early],
            torch.stack([attention.to_occurrences(head) for head in late]),
        )

    @cached_property
    def behaviour(self) -> of_unique.Behaviour:
        """Losses and probabilities, whole and ablated."""
        return of_unique.Behaviour(self.task, self.roles)

    @cached_property
    def attention(self) -> of_unique.Attention:
        """Where the heads look."""
        return of_unique.Attention(self.task, self.roles)

    @cached_property
    def circuits(self) -> of_unique.Circuits:
        """What the weights say."""
        return of_unique.Circuits(self.task, self.roles)

    @cached_property
    def by_letter(self) -> of_unique.ByLetter:
        """What is said of single letters, counted over all ten."""
        return of_unique.ByLetter(self.task, self.roles)

    @cached_property
    def attribution(self) -> of_unique.Attribution:
        """Which paths lead to an answer."""
        return of_unique.Attribution(self.task, self.roles)

    @cached_property
    def adversarial(self) -> of_unique.Adversarial:
        """Strings that fool it."""
        return of_unique.Adversarial(self.task, self.roles)


class SumSubject(AlgorithmicSubject):
    """An addition model."""

    model = SUM
    symbols = addition.SYMBOLS

    @staticmethod
    def _drawn() -> Examples:
        return addition.generate(addition.SET_SIZE, addition.SET_SEED)

    @cached_property
    def roles(self) -> SumRoles:
        """The cells that tell carries, and the head of layer 0 that writes nothing else."""
        if self.of is not None:
            return self.of.roles
        if not self.by_role:
            return SumRoles()
        carries = of_sum.Carries(self.task, SumRoles())
        circuits = of_sum.Circuits(self.task, SumRoles())
        steps = [circuits.step(head) for head in SumRoles().early]
        return sum_roles(steps, [carries.cell(answer) for answer in ("C2", "C1", "C0")])

    @cached_property
    def behaviour(self) -> of_sum.Behaviour:
        """Losses and probabilities, whole and ablated."""
        return of_sum.Behaviour(self.task, self.roles)

    @cached_property
    def attention(self) -> of_sum.Attention:
        """Where the heads look."""
        return of_sum.Attention(self.task, self.roles)

    @cached_property
    def circuits(self) -> of_sum.Circuits:
        """What the weights say."""
        return of_sum.Circuits(self.task, self.roles)

    @cached_property
    def carries(self) -> of_sum.Carries:
        """The cells that tell carries."""
        return of_sum.Carries(self.task, self.roles)

    @cached_property
    def readout(self) -> of_sum.Readout:
        """How the answer is read off the stream."""
        return of_sum.Readout(self.task)

    @cached_property
    def probe(self) -> of_sum.Probe:
        """What a linear probe finds in layer 0."""
        return of_sum.Probe(self.task)


class OneLayerSumSubject(SumSubject):
    """An addition model of one layer: how well it does, and nothing about circuits."""

    model = SUM_ONE_LAYER

    @cached_property
    def roles(self) -> SumRoles:
        """None are looked for."""
        return SumRoles()


class SortedSubject(AlgorithmicSubject):
    """A sorting model."""

    model = SORTED
    symbols = sorting.SYMBOLS

    @staticmethod
    def _drawn() -> Examples:
        return sorting.generate(sorting.SET_SIZE, sorting.SET_SEED)

    @cached_property
    def roles(self) -> SortedRoles:
        """The head that copies fewer numbers, with these, and the other."""
        if self.of is not None:
            return self.of.roles
        if not self.by_role:
            return SortedRoles()
        circuits = of_sorted.Circuits(self.task, SortedRoles())
        return sorted_roles([circuits.copied((0, number)) for number in (0, 1)])

    @cached_property
    def behaviour(self) -> of_sorted.Behaviour:
        """Losses and probabilities, whole and ablated, and lists of other kinds."""
        return of_sorted.Behaviour(self.task, self.roles)

    @cached_property
    def attention(self) -> of_sorted.Attention:
        """Where the heads look."""
        return of_sorted.Attention(self.task, self.roles)

    @cached_property
    def circuits(self) -> of_sorted.Circuits:
        """What the weights say."""
        return of_sorted.Circuits(self.task, self.roles)

    @cached_property
    def attribution(self) -> of_sorted.Attribution:
        """The logits as a sum over sources."""
        return of_sorted.Attribution(self.task, self.roles)


class CumsumSubject(AlgorithmicSubject):
    """A running-sum model."""

    model = CUMSUM
    symbols = cumsum.SYMBOLS

    @staticmethod
    def _drawn() -> Examples:
        return cumsum.generate(cumsum.SET_SIZE, cumsum.SET_SEED)

    @cached_property
    def roles(self) -> CumsumRoles:
        """The neurons that serve each sign."""
        if self.of is not None:
            return self.of.roles
        if not self.by_role:
            return CumsumRoles()
        neurons = of_cumsum.Neurons(self.task, self.circuits, CumsumRoles())
        return cumsum_roles(neurons.rises(), neurons.signs())

    @cached_property
    def behaviour(self) -> of_cumsum.Behaviour:
        """Losses and probabilities, whole and without the MLP."""
        return of_cumsum.Behaviour(self.task)

    @cached_property
    def circuits(self) -> of_cumsum.Circuits:
        """What the weights say."""
        return of_cumsum.Circuits(self.task)

    @cached_property
    def attention(self) -> of_cumsum.Attention:
        """What the head writes."""
        return of_cumsum.Attention(self.task, self.circuits)

    @cached_property
    def neurons(self) -> of_cumsum.Neurons:
        """What each neuron does."""
        return of_cumsum.Neurons(self.task, self.circuits, self.roles)
