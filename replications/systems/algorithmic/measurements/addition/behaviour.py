"""How well the model does, and what is lost without a head at a position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from replications.analysis.statistics import ratio
from replications.models import Head
from replications.systems.algorithmic import ablation
from replications.systems.algorithmic.data.addition import (
    ANSWERED,
    DIGITS,
    NAMES,
    carries,
    pairs,
    sum_digits,
)
from replications.systems.algorithmic.measurements.headline import headline
from replications.systems.algorithmic.roles import Cell, SumRoles, label
from replications.systems.algorithmic.task import Task

Rule = Literal["sum", "without carries", "carries over one digit"]
STORING = ("B3", "=", "C0", "C1", "C2")
"""Where layer 0 is said to store what the answer needs."""


class Behaviour:
    """Losses and probabilities over all four answers of all sequences."""

    def __init__(self, task: Task, roles: SumRoles) -> None:
        self._task = task
        self._roles = roles

    # ---------------------------------------------------------------- the whole model
    def headline(self, rule: Rule = "sum", *, late: bool = False) -> Mapping[str, float]:
        """See `measurements.headline`.

        For controls: with the digits that another rule gives, or read one position later.
        """
        examples = self._task.examples
        if rule != "sum":
            digits = sum_digits(examples.tokens)
            if rule == "carries over one digit":
                digits = (digits + carries(examples.tokens)) % DIGITS
            examples = examples.labelled(digits)
        if late:
            examples = examples.read_at(*(position + 1 for position in ANSWERED))
        return headline(self._task, (), examples)

    def errors(self) -> Mapping[str, float]:
        """The share of right answers, and what the wrong ones have in common.

        `carried`: the share of wrong answers to which a carry over two digits matters. `nines`: the
        share of wrong answers whose next pair of digits adds up to 9, so that it may be raised.
        Both are NaN if all answers are right.
        """
        examples = self._task.examples
        wrong = self._task.logits().argmax(-1) != examples.labels
        tokens = examples.tokens
        carried = (sum_digits(tokens) + carries(tokens)) % DIGITS != examples.labels
        nines = torch.zeros_like(wrong)
        nines[:, :-1] = pairs(tokens)[:, 1:] == DIGITS - 1
        return {
            "accuracy": 1 - wrong.double().mean().item(),
            "carried": carried[wrong].double().mean().item(),
            "nines": nines[wrong].double().mean().item(),
        }

    # ---------------------------------------------------------------- one head at one position
    def rises(self, head: Head, position: int, *, zero: bool = False) -> Tensor:
        """The rise in the loss of C0 to C3 with a head ablated at a position: [answer]."""
        ablated = ablation.zero_at if zero else ablation.at
        without = self._task.log_probability([ablated(self._task, head, position)])
        return (self._task.log_probability() - without).mean(0)

    def write_map(
        self, arrows: Mapping[str, str], *, layer: int = 0, zero: bool = False
    ) -> Mapping[str, list[float]]:
        """The rise of a loss for each arrow "position>answer", by head of layer 0.

        `arrows` has the arrows of each head, with spaces between them: {"0.0": "=>C0 C1>C2"}. For
        controls: zero ablation, or the heads of layer 1.
        """
        return {
            name: [
                self.rises((layer, int(name[-1])), NAMES.index(place), zero=zero)[
                    int(answer[1])
                ].item()
                for place, answer in (arrow.split(">") for arrow in of_head.split())
            ]
            for name, of_head in arrows.items()
        }

    def elsewhere(self, *, left_out: str = "") -> Mapping[str, float]:
        """The largest rise of any loss outside the storing positions over the largest at these, by
        head of layer 0.

        For controls, one of the five positions is left out of these.
        """
        return {
            name: ratio(outside, inside)
            for name, (inside, outside) in self._inside_and_outside(left_out).items()
        }

    def outside(self, *, left_out: str = "") -> Mapping[str, float]:
        """The largest rise of any loss outside the storing positions, by head of layer 0."""
        return {name: outside for name, (_, outside) in self._inside_and_outside(left_out).items()}

    def _inside_and_outside(self, left_out: str) -> Mapping[str, tuple[float, float]]:
        storing = [name for name in STORING if name != left_out]
        found = {}
        for head in self._roles.early:
            largest = {
                name: self.rises(head, position).max().item() for position, name in enumerate(NAMES)
            }
            inside = max(rise for name, rise in largest.items() if name in storing)
            outside = max(rise for name, rise in largest.items() if name not in storing)
            found[label(head)] = (inside, outside)
        return found

    # ---------------------------------------------------------------- without a carry
    def deleted(self, cells: Sequence[Cell] | None = None) -> Mapping[str, float]:
        """What is left without each of the cells that tell the carry into C2, C1 and C0.

        The digit that a cell at a position serves is the one that is read there, or for B3 C1.
        `kept`: the share of answers that are the sum digit or one more. `accuracy`: the share of
        right answers. `others`: the smallest accuracy of the three other digits. Each by the digit.
        """
        found: dict[str, float] = {}
        for answer, (head, name) in zip(
            ("C2", "C1", "C0"), cells or self._roles.carries, strict=True
        ):
            edit = ablation.at(self._task, head, NAMES.index(name))
            number, examples = int(answer[1]), self._task.examples
            says = self._task.logits([edit]).argmax(-1)
            apart = (says - sum_digits(examples.tokens)) % DIGITS
            right = (says == examples.labels).double().mean(0)
            others = torch.cat([right[:number], right[number + 1 :]])
            found |= {
                f"kept_{answer}": (apart[:, number] <= 1).double().mean().item(),
                f"accuracy_{answer}": right[number].item(),
                f"others_{answer}": others.min().item(),
            }
        return found

    # ---------------------------------------------------------------- layer 1
    def without(self, head: Head, *, zero: bool = False) -> float:
        """The rise in loss with a head mean-ablated at all positions, or zero-ablated."""
        edit = ablation.zero(self._task, head) if zero else ablation.mean(self._task, head)
        return self._task.loss([edit]) - self._task.loss()
