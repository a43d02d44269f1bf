"""How well the model does, whole and without its MLP."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import torch
from torch import Tensor

from replications.analysis.statistics import ratio
from replications.models import Edit, apply, put, sites
from replications.systems.algorithmic import ablation
from replications.systems.algorithmic.data.cumsum import ZERO, values_of
from replications.systems.algorithmic.measurements.headline import headline
from replications.systems.algorithmic.task import Task

Rule = Literal["sum", "previous position", "current value"]
Left = Literal["zero", "mean", "attention", "nothing"]
"""What is left out: the neurons, put to zero or to their mean; the attention; or nothing."""
LATE = slice(14, None)
"""The positions at which long sequences end."""
EARLY, LAST = 4, 19


class Behaviour:
    """Losses and probabilities over all positions of all sequences."""

    def __init__(self, task: Task) -> None:
        self._task = task

    # ---------------------------------------------------------------- the whole model
    def _labels(self, rule: Rule) -> Tensor:
        """Right answers, or for controls those by another rule: long [n pos]."""
        labels = self._task.examples.labels
        if rule == "previous position":
            return torch.cat([torch.full_like(labels[:, :1], ZERO), labels[:, :-1]], dim=1)
        if rule == "current value":
            return values_of(self._task.tokens).sign() + 1
        return labels

    def headline(self, rule: Rule = "sum") -> Mapping[str, float]:
        """See `measurements.headline`; with the labels of another rule for controls."""
        return headline(self._task, (), self._task.examples.labelled(self._labels(rule)))

    def near_zero(self, *, of: Literal["sum", "current value"] = "sum") -> Mapping[str, float]:
        """The mean probability of the right answer by how far the running sum is from zero.

        Over positions 14 to 19, for sums of at most 1 (`close`) and of 5 (`far`); and for sums of 1
        at position 4 (`early`) and at 19 (`last`). For controls, by the current value instead.
        """
        values = values_of(self._task.tokens)
        size = (values.cumsum(1) if of == "sum" else values).abs()
        right = self._task.log_probability().exp()
        return {
            "close": right[:, LATE][size[:, LATE] <= 1].mean().item(),
            "far": right[:, LATE][size[:, LATE] == 5].mean().item(),
            "early": right[:, EARLY][size[:, EARLY] == 1].mean().item(),
            "last": right[:, LAST][size[:, LAST] == 1].mean().item(),
        }

    # ---------------------------------------------------------------- without the MLP
    def _off(self, how: Left) -> list[Edit]:
        if how == "nothing":
            return []
        if how == "attention":
            return [ablation.zero(self._task, (0, 0))]
        if how == "zero":
            return [put(sites.MLP_POST(0), torch.zeros(()))]
        mean = self._task.activation(sites.MLP_POST(0)).mean(0)
        return [apply(sites.MLP_POST(0), lambda post: mean.to(post).expand_as(post))]

    def without_mlp(self, how: Left = "zero") -> Mapping[str, float]:
        """The headline with all neurons at zero.

        `gain` is by how much the accuracy exceeds the share of the commonest label. For controls:
        neurons at their mean at each position, attention at zero instead, or nothing.
        """
        found = dict(headline(self._task, self._off(how)))
        labels = self._task.examples.labels
        commonest = labels.flatten().bincount().max().item() / labels.numel()
        return found | {"gain": found.pop("accuracy") - commonest}

    def to_zero(self, neurons: Collection[int] = range(8)) -> Mapping[str, float]:
        """How the answers lean to "zero" when neurons are at zero.

        `rise`: how many times more likely "zero" becomes where it is wrong; `right`: the share of
        zeros that are still answered right; `loss`: by how much "zero" becomes less likely there.
        """
        off = [put(sites.MLP_POST(0).pick(neuron=n), torch.zeros(())) for n in neurons]
        with_, without = (self._task.logits(edits).softmax(-1) for edits in ([], off))
        zeros = self._task.examples.labels == ZERO
        says_zero = without.argmax(-1)[zeros] == ZERO
        before, after = (p[..., ZERO] for p in (with_, without))
        return {
            "rise": ratio(after[~zeros].mean().item(), before[~zeros].mean().item()),
            "right": says_zero.double().mean().item(),
            "loss": (before[zeros].mean() - after[zeros].mean()).item(),
        }
