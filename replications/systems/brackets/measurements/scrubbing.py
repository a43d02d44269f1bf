"""Causal scrubbing of the classifier: the loss that each hypothesis leaves, and its share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from replications.analysis.statistics import MeanInterval, ratio
from replications.circuits.scrubbing import (
    Estimated,
    estimated,
    recovered_interval,
    recovered_share,
    scrub,
)
from replications.systems.brackets.data import BracketData
from replications.systems.brackets.model import BALANCED, UNBALANCED
from replications.systems.brackets.roles import Roles
from replications.systems.brackets.scrubbing import Features, Hypotheses, elevation
from replications.systems.brackets.task import Task

SEEDS = (0, 1)
REFERENCES = 4000
"""As many reference strings as published, or a fifth of the strings if there are fewer."""


class Scrubbing:
    """Hypotheses about the classifier, scrubbed on the strings `data`, once for each seed.

    The loss is the cross-entropy of logit 1 - logit 0 at position 0, in nats. The hypotheses
    `together`, by default all, are scrubbed at once when the first of them is asked for: they share
    much. Others are scrubbed one by one.
    """

    def __init__(
        self,
        task: Task,
        roles: Roles,
        data: BracketData,
        *,
        seeds: Sequence[int] = SEEDS,
        together: Sequence[str] | None = None,
    ) -> None:
        self.data = data
        self._task = task
        self._roles = roles
        self._references = min(REFERENCES, len(data) // 5)
        self._seeds = tuple(seeds)
        self._together = together
        self._losses: dict[str, list[Tensor]] = {}
        self._chosen: list[Tensor] = []

    # ---------------------------------------------------------------- the model
    @cached_property
    def hypotheses(self) -> Hypotheses:
        """The experiments and the wrong hypotheses, for this model and these strings."""
        head = self._roles.elevation
        weights = elevation.attention_weights(self._task.network, head)
        direction = elevation.open_direction(self._task.network, head)
        return Hypotheses(Features(self.data, weights), self._roles, direction)

    # ---------------------------------------------------------------- losses
    def losses(self, name: str) -> list[Tensor]:
        """The loss of each reference string under a hypothesis: float64 [n] for each seed."""
        if name not in self._losses:
            together = self.hypotheses.names if self._together is None else self._together
            self._scrub(together if name in together else (name,))
        return self._losses[name]

    def references(self) -> list[Tensor]:
        """The reference strings of each seed: long [n]."""
        self.losses("0a")
        return self._chosen

    def _scrub(self, names: Sequence[str]) -> None:
        found = scrub(
            self._task.network,
            self.data.tokens,
            {name: self.hypotheses[name] for name in names},
            references=self._references,
            seeds=self._seeds,
            edits=self._task.lens.edits,
        )
        for name, results in found.items():
            self._losses[name] = [self._loss(r.logits, r.references) for r in results]
            self._chosen = [r.references for r in results]

    def _loss(self, logits: Tensor, references: Tensor) -> Tensor:
        difference = (logits[:, BALANCED] - logits[:, UNBALANCED]).double()
        target = self.data.labels[references].double()
        return F.binary_cross_entropy_with_logits(difference, target, reduction="none")

    # ---------------------------------------------------------------- what is claimed
    def loss(self, name: str) -> list[Estimated]:
        """The mean loss with its standard error, for each seed."""
        return [estimated(losses) for losses in self.losses(name)]

    def recovered(self, name: str) -> list[Estimated]:
        """The share of the loss that a hypothesis recovers, with its standard error, by seed.

        (L_random - L_scrubbed) / (L_random - L_model)
        """
        three = zip(self.losses("0a"), self.losses(name), self.losses("0b"), strict=True)
        return [recovered_share(*losses) for losses in three]

    def intervals(self, name: str) -> list[MeanInterval]:
        """The same shares with their 95 % bootstrap intervals over references, by seed."""
        three = zip(self.losses("0a"), self.losses(name), self.losses("0b"), strict=True)
        return [recovered_interval(*losses) for losses in three]

    def found(self, name: str) -> dict[str, list[float]]:
        """The mean loss and the recovered share under a hypothesis, each for every seed."""
        return {
            "loss": [e.mean for e in self.loss(name)],
            "recovered": [e.mean for e in self.recovered(name)],
        }

    def just_the_loss(self, name: str) -> dict[str, list[float]]:
        """The mean loss under a hypothesis, for every seed."""
        return {"loss": [e.mean for e in self.loss(name)]}

    def against(self, name: str, over: str) -> dict[str, list[float] | float]:
        """The share that a hypothesis recovers, and its advantage over one like it."""
        return {
            "recovered": self.found(name)["recovered"],
            "over_an_orthogonal_one": self.advantage(name, over),
        }

    def accuracy(self, name: str) -> list[float]:
        """How often the scrubbed model is right, for each seed: loss below log 2."""
        return [(x < torch.tensor(2.0).log()).double().mean().item() for x in self.losses(name)]

    def advantage(self, name: str, over: str) -> float:
        """How many standard errors the loss lies below that of another hypothesis.

        References are paired; the smallest over the seeds. NaN if the losses are the same.
        """
        pairs = zip(self.losses(name), self.losses(over), strict=True)
        gains = [estimated(wrong - right) for right, wrong in pairs]
        return min(ratio(gain.mean, gain.error) for gain in gains)

    def advantages(self, name: str, **over: str) -> dict[str, float]:
        """The advantage over several hypotheses, by the names given to them here."""
        return {key: self.advantage(name, other) for key, other in over.items()}

    def shares(self, **names: str) -> dict[str, list[float]]:
        """The recovered shares of several hypotheses, by the names given to them here."""
        return {key: self.found(name)["recovered"] for key, name in names.items()}

    def by_class_of(self, *names: str) -> dict[str, dict[str, float]]:
        """`by_class` of some hypotheses, which are scrubbed together, and no others."""
        missing = tuple(name for name in names if name not in self._losses)
        if missing:
            self._scrub(missing)
        return {name: self.by_class(name) for name in names}

    def by_class(self, name: str) -> dict[str, float]:
        """The mean loss on each class of references, over all seeds together."""
        losses = torch.cat(self.losses(name))
        rows = torch.cat(self._chosen)
        classes = {
            "balanced": self.data.balanced,
            "unbalanced": ~self.data.balanced,
            "count failures": self.data.total_failure,
            "horizon failures": self.data.negative_failure,
        }
        return {key: losses[which[rows]].mean().item() for key, which in classes.items()}
