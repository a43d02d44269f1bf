"""Causal scrubbing of the classifier: the loss that each hypothesis leaves, and its share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from replications.circuits.scrubbing import Estimated, estimated, recovered_share, scrub
from replications.models import Network
from replications.systems.brackets.data import BracketData
from replications.systems.brackets.model import BALANCED, UNBALANCED
from replications.systems.brackets.roles import Roles
from replications.systems.brackets.scrubbing import FAMILIES, Features, Hypotheses
from replications.systems.brackets.scrubbing import elevation
from replications.systems.brackets.task import Task

SEEDS = (0, 1)


class Scrubbing:
    """Hypotheses about the classifier, scrubbed on `data`, with as many references for each seed.

    The loss is the cross-entropy of logit 1 - logit 0 at position 0, in nats. Hypotheses of one
    family are scrubbed together, when the first of them is asked for.
    """

    def __init__(
        self,
        task: Task,
        roles: Roles,
        data: BracketData,
        *,
        references: int,
        seeds: Sequence[int] = SEEDS,
    ) -> None:
        self.data = data
        self._task = task
        self._roles = roles
        self._references = references
        self._seeds = tuple(seeds)
        self._losses: dict[str, list[Tensor]] = {}
        self._chosen: list[Tensor] = []

    # ---------------------------------------------------------------- the model
    @cached_property
    def _network(self) -> Network:
        lens = self._task.lens
        made = Network.from_state_dict(lens.shape, lens.state_dict)
        return made.to(lens.device, lens.weights.W_E.dtype)

    @cached_property
    def hypotheses(self) -> Hypotheses:
        """The experiments and the wrong hypotheses, for this model and these strings."""
        head = self._roles.elevation
        weights = elevation.attention_weights(self._network, head)
        direction = elevation.open_direction(self._network, head)
        return Hypotheses(Features(self.data, weights), self._roles, direction)

    # ---------------------------------------------------------------- losses
    def losses(self, name: str) -> list[Tensor]:
        """The loss of each reference string under a hypothesis: float64 [n] for each seed."""
        if name not in self._losses:
            self._scrub(next(family for family in FAMILIES if name in family))
        return self._losses[name]

    def references(self) -> list[Tensor]:
        """The reference strings of each seed: long [n]."""
        self.losses("0a")
        return self._chosen

    def _scrub(self, family: tuple[str, ...]) -> None:
        found = scrub(
            self._network,
            self.data.tokens,
            {name: self.hypotheses[name] for name in family},
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

    def found(self, name: str) -> dict[str, list[float]]:
        """The mean loss and the recovered share under a hypothesis, each for every seed."""
        return {
            "loss": [e.mean for e in self.loss(name)],
            "recovered": [e.mean for e in self.recovered(name)],
        }

    def accuracy(self, name: str) -> list[float]:
        """How often the scrubbed model is right, for each seed: loss below log 2."""
        return [(x < torch.tensor(2.0).log()).double().mean().item() for x in self.losses(name)]

    def advantage(self, name: str, over: str) -> float:
        """How many standard errors the loss lies below that of another hypothesis.

        References are paired; the smallest over the seeds.
        """
        pairs = zip(self.losses(name), self.losses(over), strict=True)
        gains = [estimated(wrong - right) for right, wrong in pairs]
        return min(gain.mean / gain.error for gain in gains)

    def by_class(self, name: str) -> dict[str, float]:
        """The mean loss on each class of references, over all seeds together."""
        losses, rows = torch.cat(self.losses(name)), torch.cat(self.references())
        classes = {
            "balanced": self.data.balanced,
            "unbalanced": ~self.data.balanced,
            "count failures": self.data.total_failure,
            "horizon failures": self.data.negative_failure,
        }
        return {key: losses[which[rows]].mean().item() for key, which in classes.items()}
