"""How well the model does: whole, with heads ablated, and on lists of other kinds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from replications.analysis.statistics import ratio
from replications.models import Head
from replications.systems.algorithmic import ablation
from replications.systems.algorithmic.data import Examples
from replications.systems.algorithmic.data.sorting import (
    LENGTH,
    SET_SEED,
    SET_SIZE,
    VALUES,
    among,
    generate,
    of_values,
)
from replications.systems.algorithmic.measurements.headline import headline
from replications.systems.algorithmic.roles import SortedRoles
from replications.systems.algorithmic.task import Task

GAPS = ([0, *range(40, 49)], [5, 30, *range(32, 47, 2)])
"""The two lists of the document with a large gap after the first number."""


class Behaviour:
    """Losses and probabilities over all ten answers of all lists."""

    def __init__(self, task: Task, roles: SortedRoles) -> None:
        self._task = task
        self._roles = roles
        self._log_probabilities = cache(self._ablated)

    # ---------------------------------------------------------------- the whole model
    def headline(
        self, control: Literal["", "high lists", "read late", "other rows", "five apart"] = ""
    ) -> Mapping[str, float]:
        """See `measurements.headline`, without the accuracy.

        For controls: on lists from 25 to 50, read one position later, with the targets of other
        rows, or on the six lists of numbers five apart.
        """
        examples = self._task.examples
        if control == "high lists":
            examples = generate(SET_SIZE, SET_SEED, low=25)
        elif control == "read late":
            examples = examples.read_at(*(position + 1 for position in examples.answered))
        elif control == "other rows":
            examples = examples.labelled(examples.labels.roll(1, 0))
        elif control == "five apart":
            examples = of_values(*([*range(first, VALUES, 5)][:LENGTH] for first in range(6)))
        found = dict(headline(self._task, (), examples))
        del found["accuracy"]
        return found

    # ---------------------------------------------------------------- without a head
    def _ablated(self, head: Head | None, how: Literal["mean", "one mean", "zero"]) -> Tensor:
        """Log-probabilities of the right answers, with a head ablated: [n answer]."""
        if head is None:
            return self._task.log_probability()
        if how == "zero":
            return self._task.log_probability([ablation.zero(self._task, head)])
        edit = ablation.mean(self._task, head, by_position=how == "mean")
        return self._task.log_probability([edit])

    def ablated(
        self,
        how: Literal["mean", "one mean", "zero"] = "mean",
        *,
        rise: bool = True,
        targets: Collection[int] = range(VALUES),
    ) -> Mapping[str, float]:
        """The rise in loss without each head, and `ratio`: that of 0.1 over that of 0.0.

        Heads have their published names. For controls, without `rise` the losses themselves, or
        over some targets alone.
        """
        chosen = self._targets(targets)
        clean = self._log_probabilities(None, how)[chosen].mean() if rise else torch.zeros(())
        found = {
            name: (clean - self._log_probabilities(head, how)[chosen].mean()).item()
            for name, head in self._roles.named.items()
        }
        return {**found, "ratio": ratio(found["0.1"], found["0.0"])}

    def without_larger(self, targets: Collection[int] = range(VALUES)) -> float:
        """The `ratio` of `ablated`, or for controls that over some targets alone."""
        return self.ablated(targets=targets)["ratio"]

    def _targets(self, numbers: Collection[int]) -> Tensor:
        """Which answers are among some numbers: bool [n answer]."""
        return among(self._task.examples.labels, numbers)

    def domains(self, *, shift: int = 0) -> Mapping[str, float]:
        """Where the loss rises without a head: in its own domain over outside, by published name.

        For controls the domain may be shifted up, beginning again at 0 after the largest number.
        """
        inside = self._targets([(n + shift) % VALUES for n in self._roles.domain])
        clean = self._log_probabilities(None, "mean")
        found = {}
        for (name, head), own in zip(self._roles.named.items(), (inside, ~inside), strict=True):
            rise = clean - self._log_probabilities(head, "mean")
            found[name] = ratio(rise[own].mean().item(), rise[~own].mean().item())
        return found

    # ---------------------------------------------------------------- large gaps
    def _first_answers(self, lists: Sequence[Sequence[int]]) -> Tensor:
        """Probabilities of the answers after the smallest number: [list output]."""
        examples = of_values(*lists)
        return self._task.logits(examples=examples)[:, 1].softmax(-1)

    def gaps(self) -> Mapping[str, object]:
        """The answers after the first number of the document's two lists.

        The probabilities of the number itself and of the next one, for each list. `right`: for how
        many lists the answer is right. `family` is the accuracy after x on all lists
        x, x + g, …, x + g + 8 with g of 30 and more.
        """
        return self._of_two(GAPS) | {"family": self.by_gap(range(30, VALUES - 8))}

    def small_gap(self, gap: int) -> Mapping[str, object]:
        """The same for controls, with another gap g in both lists and in the family."""
        lists = [[x, *range(x + gap, x + gap + LENGTH - 1)] for x in (0, 5)]
        return self._of_two(lists) | {"family": self.by_gap([gap])}

    def _of_two(self, lists: Sequence[Sequence[int]]) -> dict[str, object]:
        found = self._first_answers(lists)
        x, y = (torch.tensor([numbers[i] for numbers in lists]) for i in (0, 1))
        return {
            "itself": found.gather(1, x[:, None])[:, 0].tolist(),
            "next_number": found.gather(1, y[:, None])[:, 0].tolist(),
            "right": int((found.argmax(-1) == y).sum()),
        }

    def by_gap(self, gaps: Sequence[int]) -> float:
        """The accuracy after x on all lists x, x + g, x + g + 1, …, x + g + 8."""
        lists = [
            [x, *range(x + g, x + g + LENGTH - 1)]
            for g in gaps
            for x in range(VALUES - g - LENGTH + 2)
        ]
        answers = self._first_answers(lists).argmax(-1)
        right = answers == torch.tensor([numbers[1] for numbers in lists])
        return right.double().mean().item()

    def crossed(
        self, near: Sequence[int] = range(1, 11), far: Sequence[int] = range(30, VALUES - 8)
    ) -> Mapping[str, float]:
        """`by_gap` over small gaps and over large ones; other gaps for controls."""
        return {"near": self.by_gap(near), "far": self.by_gap(far)}

    # ---------------------------------------------------------------- lists inside a range
    def inside(self, low: int, high: int) -> Mapping[str, float]:
        """The accuracy of the first answer and of the rest, on random lists from a range."""
        examples: Examples = generate(SET_SIZE, SET_SEED, low=low, high=high)
        right = self._task.logits(examples=examples).argmax(-1) == examples.labels
        shares = right.double().mean(0)
        return {"first": shares[0].item(), "rest": shares[1:].mean().item()}
