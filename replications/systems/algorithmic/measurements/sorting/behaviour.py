"""How well the model does: whole, with heads ablated, and on lists of other kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    generate,
    of_values,
)
from replications.systems.algorithmic.measurements.headline import headline
from replications.systems.algorithmic.roles import SortedRoles, label
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
        self, control: Literal["", "high lists", "read late", "other rows"] = ""
    ) -> Mapping[str, float]:
        """See `measurements.headline`, without the accuracy.

        For controls: on lists from 25 to 50, read one position later, or with the targets of
        other rows.
        """
        examples = self._task.examples
        if control == "high lists":
            examples = generate(SET_SIZE, SET_SEED, low=25)
        elif control == "read late":
            examples = examples.read_at(*(position + 1 for position in examples.answered))
        elif control == "other rows":
            examples = examples.labelled(examples.labels.roll(1, 0))
        found = dict(headline(self._task, (), examples))
        del found["accuracy"]
        return found

    # ---------------------------------------------------------------- without a head
    def _ablated(self, head: Head | None, how: Literal["mean", "one mean", "zero"]) -> Tensor:
        """Log-probabilities of the right answers, with a head ablated: [n answer]."""
        if head is None:
            return self._task.log_probability()
        if how == "zero":
            return self._task.log_probability([ablation.zero(head)])
        edit = ablation.mean(self._task, head, by_position=how == "mean")
        return self._task.log_probability([edit])

    def ablated(
        self,
        how: Literal["mean", "one mean", "zero"] = "mean",
        *,
        rise: bool = True,
        targets: tuple[int, int] = (0, VALUES),
    ) -> Mapping[str, float]:
        """The rise in loss without each head, and `ratio`: that of 0.1 over that of 0.0.

        For controls, without `rise` the losses themselves, or over some targets alone.
        """
        chosen = self._targets(*targets)
        clean = self._log_probabilities(None, how)[chosen].mean() if rise else torch.zeros(())
        heads = (self._roles.middle, self._roles.rest)
        found = [
            (clean - self._log_probabilities(head, how)[chosen].mean()).item() for head in heads
        ]
        return {
            **dict(zip(map(label, heads), found, strict=True)),
            "ratio": ratio(found[1], found[0]),
        }

    def _targets(self, low: int, high: int) -> Tensor:
        """Which answers are numbers from `low` to `high`: bool [n answer]."""
        labels = self._task.examples.labels
        return (labels >= low) & (labels <= high)

    def domains(self, domain: tuple[int, int] | None = None) -> Mapping[str, float]:
        """Where the loss rises without a head: in its own domain over outside, by head.

        Another domain may take the place of 28 to 37.
        """
        inside = self._targets(*(domain or self._roles.domain))
        clean = self._log_probabilities(None, "mean")
        found = {}
        for head, own in ((self._roles.middle, inside), (self._roles.rest, ~inside)):
            rise = clean - self._log_probabilities(head, "mean")
            found[label(head)] = ratio(rise[own].mean().item(), rise[~own].mean().item())
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

    # ---------------------------------------------------------------- lists inside a range
    def inside(self, low: int, high: int) -> Mapping[str, float]:
        """The accuracy of the first answer and of the rest, on random lists from a range."""
        examples: Examples = generate(SET_SIZE, SET_SEED, low=low, high=high)
        right = self._task.logits(examples=examples).argmax(-1) == examples.labels
        shares = right.double().mean(0)
        return {"first": shares[0].item(), "rest": shares[1:].mean().item()}
