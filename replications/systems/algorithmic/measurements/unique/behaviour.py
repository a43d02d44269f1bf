"""How well the model does, whole and with heads of layer 1 ablated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from replications.analysis.statistics import ratio
from replications.models import Head
from replications.systems.algorithmic import ablation
from replications.systems.algorithmic.data.unique import LETTERS, first_letter, last_unique
from replications.systems.algorithmic.roles import UniqueRoles
from replications.systems.algorithmic.task import Task

Rule = Literal["first unique", "last unique", "first letter", "next position"]


class Behaviour:
    """Losses and probabilities over all positions of all sequences."""

    def __init__(self, task: Task, roles: UniqueRoles) -> None:
        self._task = task
        self._roles = roles

    def _labels(self, rule: Rule) -> Tensor:
        """Right answers, or for controls those by another rule: long [n pos]."""
        examples = self._task.examples
        if rule == "last unique":
            return last_unique(examples.tokens)
        if rule == "first letter":
            return first_letter(examples.tokens)
        if rule == "next position":
            return torch.cat([examples.labels[:, 1:], examples.labels[:, -1:]], dim=1)
        return examples.labels

    def headline(
        self, rule: Rule = "first unique", *, positions: int | None = None
    ) -> Mapping[str, float]:
        """The loss in nats, the mean and the smallest probability of the right answers.

        For controls, by another rule, or over the first positions alone.
        """
        logits = self._task.logits().log_softmax(-1)
        log_probability = logits.gather(-1, self._labels(rule)[..., None])[:, :positions]
        probability = log_probability.exp()
        return {
            "loss": -log_probability.mean().item(),
            "mean": probability.mean().item(),
            "smallest": probability.min().item(),
        }

    # ---------------------------------------------------------------- without one head
    @cached_property
    def _clean(self) -> Tensor:
        return self._task.log_probability()

    def rises(self, head: Head) -> Tensor:
        """The rise in loss when a head is mean-ablated at all positions, by label: [letter]."""
        without = self._task.log_probability([ablation.mean(self._task, head)])
        rise, labels = self._clean - without, self._task.examples.labels
        return torch.stack([rise[labels == letter].mean() for letter in range(len(LETTERS))])

    def domains(self, heads: Sequence[Head] | None = None) -> Mapping[str, object]:
        """The letters that suffer most from the loss of each head, and how clean the division is.

        `factor` is the smallest rise at a letter of a head over the largest at another letter.
        `heads` are those of layer 1, or three others.
        """
        heads = list(self._roles.domain) if heads is None else heads
        rises = torch.stack([self.rises(head) for head in heads])  # [head letter]
        return divided(rises, by_head=True)


def divided(values: Tensor, *, by_head: bool = False) -> Mapping[str, object]:
    """Letters divided among heads: the `domains` and the `factor` of `division`."""
    domains, factor = division(values, by_head=by_head)
    return {"domains": domains, "factor": factor}


def division(values: Tensor, *, by_head: bool = False) -> tuple[list[str], float]:
    """The letters of each head, by the largest of values [head letter], and how clear that is.

    The latter is the smallest ratio of a letter's largest value to its value in another head or, if
    `by_head`, of the smallest value of a head at one of its letters to its largest at another
    letter.
    """
    owner = values.argmax(0)
    own = torch.zeros_like(values, dtype=torch.bool)
    own[owner, torch.arange(len(owner))] = True
    inside, outside = values.masked_fill(~own, torch.inf), values.masked_fill(own, -torch.inf)
    axis = 1 if by_head else 0
    pairs = zip(inside.amin(axis).tolist(), outside.amax(axis).tolist(), strict=True)
    domains = ["".join(LETTERS[i] for i in row.nonzero()[:, 0].tolist()) for row in own]
    return domains, min(ratio(a, b) if b > 0 else torch.inf for a, b in pairs)
