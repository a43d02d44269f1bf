"""What every kind of patching returns: a metric for each patch, and for both unpatched runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


def recovery(values: Tensor, base: Tensor, source: Tensor) -> Tensor:
    """(values - base) / (source - base): 0 where a patch changes nothing, 1 where it does all.

    `values` is [… batch], or [… batch answer]; `base` and `source` have its last axes.
    """
    return (values - base) / (source - base)


@dataclass(frozen=True)
class PatchingResult:
    """A metric with each place patched alone, and without a patch.

    The metric is one number for each example. Where answers other than two were asked for,
    `values`, `base` and `source` have one more axis at their end: the answers' logits.
    """

    values: Tensor
    """The metric with a patch: [*axes batch]"""
    axes: tuple[str, ...]
    """Names of the axes before batch."""
    labels: Mapping[str, tuple[object, ...]]
    """What each index of an axis stands for."""
    base: Tensor
    """The metric of the unpatched base run: [batch]"""
    source: Tensor
    """The metric of the source run: [batch]"""

    def mean(self) -> Tensor:
        """The mean metric over the examples: [*axes]."""
        return self.values.mean(len(self.axes))

    def recovery(self) -> Tensor:
        """The share of the way from the base run's metric (0) to the source run's (1).

        [*axes batch]; infinite or NaN for an example in which both runs have the same metric.
        """
        return recovery(self.values, self.base, self.source)
