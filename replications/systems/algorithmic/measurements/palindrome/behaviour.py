"""How well the classifier does, whole and with heads ablated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal

import torch

from replications.models import Edit, Head
from replications.systems.algorithmic import ablation
from replications.systems.algorithmic.data import Examples
from replications.systems.algorithmic.data.palindrome import AT_END, SECOND
from replications.systems.algorithmic.roles import PalindromeRoles
from replications.systems.algorithmic.task import Task

SPARED = 20
"""The position at which the document says that heads 0.1 and 1.1 work."""


class Behaviour:
    """Losses and logit differences. The logit difference is logit(label) - logit(other)."""

    def __init__(self, task: Task, roles: PalindromeRoles) -> None:
        self._task = task
        self._roles = roles

    # ---------------------------------------------------------------- the whole model
    def logit_difference(
        self, edits: Sequence[Edit] = (), examples: Examples | None = None
    ) -> float:
        """The mean logit difference in a run with edits."""
        given = self._task.examples if examples is None else examples
        logits = self._task.logits(edits, examples)
        right = logits.gather(-1, given.labels[..., None])[..., 0]
        return (2 * right - logits.sum(-1)).mean().item()

    def headline(
        self, *, position: int | None = None, shuffled: bool = False
    ) -> Mapping[str, float]:
        """The loss in nats and the logit difference.

        For controls: read at another `position`, or with the labels in a random order.
        """
        examples = self._task.examples
        if position is not None:
            examples = examples.read_at(position)
        if shuffled:
            order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(0))
            examples = examples.labelled(examples.labels[order])
        return {
            "loss": self._task.loss(examples=examples),
            "logit_difference": self.logit_difference(examples=examples),
        }

    @cached_property
    def clean(self) -> float:
        """The logit difference of the whole model."""
        return self.logit_difference()

    # ---------------------------------------------------------------- one head at a time
    def _without(self, head: Head, how: Literal["mean", "one mean", "zero"]) -> float:
        """The logit difference with one head ablated at all positions."""
        if how == "zero":
            edit = ablation.zero(self._task, head)
        else:
            edit = ablation.mean(self._task, head, by_position=how == "mean")
        return self.logit_difference([edit])

    def mean_ablated(
        self, *, by_position: bool = True, exchanged: bool = False
    ) -> Mapping[str, float]:
        """The logit difference with each head mean-ablated at all positions, by head.

        For controls: without `by_position` there is one mean over rows and positions; `exchanged`
        exchanges the heads of each layer.
        """
        how: Literal["mean", "one mean"] = "mean" if by_position else "one mean"
        roles = self._roles.exchanged if exchanged else self._roles
        return {name: self._without(head, how) for name, head in roles.named.items()}

    def zero_ablated(self, head: Head | None = None) -> Mapping[str, float]:
        """The logit difference with each head zero-ablated, by head.

        `zero_share` and `mean_share` are what zero and mean ablation of head 0.1, or of `head`,
        leave of the clean logit difference.
        """
        zeroed = {name: self._without(h, "zero") for name, h in self._roles.named.items()}
        return {**zeroed, **self.shares(head)}

    def shares(self, head: Head | None = None) -> Mapping[str, float]:
        """The shares of `zero_ablated` alone."""
        head = self._roles.other if head is None else head
        return {
            "zero_share": self._without(head, "zero") / self.clean,
            "mean_share": self._without(head, "mean") / self.clean,
        }

    # ---------------------------------------------------------------- at one position
    def targeted(
        self,
        *,
        heads: tuple[Head, Head] | None = None,
        of: Literal["z", "v"] = "v",
    ) -> Mapping[str, float]:
        """Losses with head 0.1 (its output) and head 1.1 (its values) mean-ablated.

        Each is ablated everywhere, and everywhere but at position 20. `gain` is the logit
        difference with the values of 1.1 ablated everywhere, less the clean one. `heads` are
        others to ablate; with `of="z"` it is the output of the second head that is ablated.
        """
        first, second = heads or (self._roles.other, self._roles.last)
        everywhere = ablation.mean(self._task, second, of=of)
        return {
            "clean": self._task.loss(),
            "output": self._loss_without(first, "z"),
            "output_but_at_20": self._loss_without(first, "z", SPARED),
            "values": self._loss_without(second, of),
            "values_but_at_20": self._loss_without(second, of, SPARED),
            "gain": self.logit_difference([everywhere]) - self.clean,
        }

    def targeted_elsewhere(self) -> Mapping[str, float]:
        """`targeted` with another position spared in place of 20: of 11 to 19 and END, the best."""
        others = [position for position in (*SECOND, AT_END) if position != SPARED]
        first, second = self._roles.other, self._roles.last
        return {
            **self.targeted(),
            "output_but_at_20": min(self._loss_without(first, "z", p) for p in others),
            "values_but_at_20": min(self._loss_without(second, "v", p) for p in others),
        }

    def _loss_without(self, head: Head, of: Literal["z", "v"], *spare: int) -> float:
        return self._task.loss([ablation.mean(self._task, head, of=of, spare=spare)])
