"""What each neuron is good for, and how it answers to the mean so far."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache, cached_property
from typing import Literal

import torch
from torch import Tensor

from replications.analysis.statistics import ratio
from replications.models import Edit, apply, put, sites
from replications.systems.algorithmic.data.cumsum import NEGATIVE, POSITIVE, ZERO
from replications.systems.algorithmic.measurements.cumsum.circuits import Circuits
from replications.systems.algorithmic.roles import CumsumRoles
from replications.systems.algorithmic.task import Task

REACH, STEPS = 4.0, 100
"""The coefficients of u at which responses are drawn: -4 to 4."""


class Neurons:
    """The neurons of the running-sum model."""

    def __init__(self, task: Task, circuits: Circuits, roles: CumsumRoles) -> None:
        self._task = task
        self._circuits = circuits
        self._roles = roles
        self._without = cache(self._loss_without)

    @property
    def number(self) -> int:
        """How many neurons there are."""
        return self._task.lens.shape.d_mlp

    # ---------------------------------------------------------------- ablation
    def _loss_without(self, neuron: int, how: Literal["zero", "mean"]) -> float:
        place = sites.MLP_POST(0).pick(neuron=neuron)
        mean = self._task.activation(sites.MLP_POST(0))[..., neuron].mean(0)
        edits: dict[str, Edit] = {
            "zero": put(place, torch.zeros(())),
            "mean": apply(place, lambda post: mean.to(post).expand_as(post)),
        }
        return self._task.loss([edits[how]])

    def rises(self, how: Literal["zero", "mean"] = "zero") -> Tensor:
        """The rise in loss with each neuron at zero, or for controls at its mean: [neuron]."""
        clean = self._task.loss()
        return torch.tensor([self._without(i, how) - clean for i in range(self.number)])

    def ablated(self, how: Literal["zero", "mean"] = "zero") -> Mapping[str, object]:
        """See `rises`, and what follows from them.

        `order` are the neurons by their rise, in groups of 1, 1, 4 and 2, each in order of number.
        `ratio` is the largest rise over the mean of the next five.
        """
        rises = self.rises(how)
        by_rise, groups, start = rises.argsort(descending=True).tolist(), [], 0
        for size in (1, 1, 4, 2):
            groups.append("".join(map(str, sorted(by_rise[start : start + size]))))
            start += size
        next_five = rises[by_rise[1:6]].mean().item()
        return {
            "rises": rises.tolist(),
            "order": " > ".join(groups),
            "ratio": ratio(rises.max().item(), next_five),
        }

    # ---------------------------------------------------------------- two sets
    @cached_property
    def _fires(self) -> Tensor:
        """The share of positions at which each neuron fires, by label: [output neuron]."""
        post = self._task.activation(sites.MLP_POST(0))
        labels = self._task.examples.labels
        return torch.stack([(post[labels == o] > 0).double().mean(0) for o in range(3)])

    def _pushes(self) -> Tensor:
        """What each neuron adds to the answers when it fires: W_out W_U, [neuron output]."""
        return self._task.network.W_out[0] @ self._task.network.W_U

    def signs(self) -> list[int]:
        """The label, negative or positive, at which each neuron fires more often."""
        return torch.where(
            self._fires[POSITIVE] > self._fires[NEGATIVE], POSITIVE, NEGATIVE
        ).tolist()

    def sets(
        self, larger: Collection[int] | None = None, smaller: Collection[int] | None = None
    ) -> Mapping[str, float]:
        """Whether neurons 0, 1, 3, 4 and neurons 2, 7, or the sets found, serve one sign each.

        A set's own label is the one at which its first neuron fires more often. `own` is the
        smallest share of positions with the own label at which a neuron fires, `other` the largest
        for the other label, `apart` whether the own labels differ, and `pushes` by how much each
        neuron pushes its own answer against the other, at least. Other sets may be given. A set
        without neurons serves nothing, so that `own` and `apart` are 0.
        """
        signs, pushes = self.signs(), self._pushes()
        own, other, push, labels = [], [], [], []
        larger = self._roles.larger if larger is None else larger
        smaller = self._roles.smaller if smaller is None else smaller
        if not larger or not smaller:
            return {"own": 0.0, "other": 0.0, "apart": 0, "pushes": 0.0}
        for members in (larger, smaller):
            label = signs[next(iter(members))]
            against = POSITIVE + NEGATIVE - label
            labels.append(label)
            own += [self._fires[label, i].item() for i in members]
            other += [self._fires[against, i].item() for i in members]
            push += [(pushes[i, label] - pushes[i, against]).item() for i in members]
        return {
            "own": min(own),
            "other": max(other),
            "apart": abs(labels[0] - labels[1]) // (POSITIVE - NEGATIVE),
            "pushes": min(push),
        }

    def positive_set(self) -> str:
        """The useful neurons that fire more often where the sum is positive."""
        return "".join(str(i) for i in self._roles.useful if self.signs()[i] == POSITIVE)

    def negative_set(self) -> str:
        """The useful neurons that fire more often where the sum is negative."""
        return "".join(str(i) for i in self._roles.useful if self.signs()[i] == NEGATIVE)

    # ---------------------------------------------------------------- responses
    def responses(self, direction: Tensor | None = None) -> Tensor:
        """The largest effect of each neuron on each answer, over multiples of u: [neuron output].

        The multiples are -4 to 4; largest in size, with its sign. Along another direction for
        controls.
        """
        u, network = (
            self._circuits.direction if direction is None else direction,
            self._task.network,
        )
        coefficients = torch.linspace(-REACH, REACH, STEPS, dtype=u.dtype)
        post = (coefficients[:, None] * (u @ network.W_in[0]) + network.b_in[0]).relu()
        effects = post[..., None] * self._pushes()  # [step neuron output]
        largest = effects.abs().argmax(0, keepdim=True)
        return effects.gather(0, largest)[0]

    def response(self, *, which: int = 0, answer: int = ZERO) -> Mapping[str, object]:
        """The responses of the useful neurons and of neuron 5 along u, by neuron.

        `of_6` is the largest effect of neuron 6, `of_5` that of neuron 5 over that of neuron 2, and
        `zero` the smallest effect of all neurons on the answer "zero", or on another.
        """
        found = self.responses(self._circuits.vector(which))
        size: Sequence[float] = found.abs().max(-1).values.tolist()
        return {
            **{str(i): found[i].tolist() for i in range(self.number) if i != 6},
            "of_6": size[6],
            "of_5": ratio(size[5], size[2]),
            "zero": found[:, answer].min().item(),
        }

    def push_on_zero(self, *, which: int = 0, answer: int = ZERO) -> Mapping[str, float]:
        """What the useful neurons do to the answer "zero", or for controls to another, along u.

        `zero` is the smallest of their effects on it, and `share` the largest in size, over the
        largest effect of the same neuron on any answer. For controls, along another direction.
        """
        found = self.responses(self._circuits.vector(which))[list(self._roles.useful)]
        sizes = found.abs()
        return {
            "zero": found[:, answer].min().item(),
            "share": (sizes[:, answer] / sizes.max(-1).values).max().item(),
        }
