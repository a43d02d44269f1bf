"""Features: partitions of the strings into classes, from which strings are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from replications.errors import BadInput


@dataclass(frozen=True, eq=False)
class Feature:
    """A property of strings, as a partition: strings of one class agree on the feature.

    `values` [string] are numbers of any kind; equal numbers are one class. Raises BadInput if
    there are none, or if one is NaN.
    """

    name: str
    values: Tensor

    def __post_init__(self) -> None:
        if self.values.ndim != 1 or not len(self.values):
            raise BadInput(f"feature {self.name!r}: values must be [string], one for each string")
        if self.values.is_floating_point() and self.values.isnan().any():
            raise BadInput(f"feature {self.name!r} is NaN for some strings")

    def __repr__(self) -> str:
        return f"<feature {self.name}, {len(self.sizes)} classes>"

    @classmethod
    def none(cls, strings: int) -> Feature:
        """The feature on which all strings agree."""
        return cls("anything", torch.zeros(strings, dtype=torch.long))

    @classmethod
    def both(cls, name: str, features: Sequence[Feature]) -> Feature:
        """The feature on which two strings agree if they agree on every one of `features`."""
        classes = torch.stack([feature.classes for feature in features], dim=1)
        return cls(name, classes.unique(dim=0, return_inverse=True)[1])

    @cached_property
    def classes(self) -> Tensor:
        """The class of each string, numbered from 0: int32 [string]."""
        classes: Tensor = self.values.unique(return_inverse=True)[1]
        return classes.int()

    @cached_property
    def sizes(self) -> Tensor:
        """How many strings each class has: long [class]."""
        return self.classes.bincount()

    @cached_property
    def _members(self) -> Tensor:
        """The strings, class after class: int32 [string]."""
        return self.classes.argsort(stable=True).int()  # half the memory, for each feature

    def draw(self, parents: Tensor, generator: torch.Generator) -> Tensor:
        """For each of `parents` [n], a string that agrees with it: long [n].

        Uniform in the class, independent, with replacement.
        """
        found = self.classes[parents]
        share = torch.rand(len(parents), generator=generator, dtype=torch.float64)
        # float64 below 1 times a size below 2**31 rounds down to at most size - 1.
        within = (share * self.sizes[found]).long()
        starts = self.sizes.cumsum(0) - self.sizes
        return self._members[starts[found] + within].long()
