"""The cells of layer 0 that tell carries: found, deleted, and how they look at digits.

A *cell* is a head at a position. The carry into C_i comes from A_j and B_j, where j = i + 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

from replications.systems.algorithmic import ablation
from replications.systems.algorithmic.data.addition import (
    ANSWERED,
    DIGITS,
    NAMES,
    B,
    sum_digits,
)
from replications.systems.algorithmic.measurements.addition.attention import Attention
from replications.systems.algorithmic.measurements.addition.behaviour import Behaviour
from replications.systems.algorithmic.measurements.addition.circuits import Circuits
from replications.systems.algorithmic.roles import Cell, SumRoles, label
from replications.systems.algorithmic.task import Task

LOOKS = 0.25
"""The mean attention to each digit of a pair of a cell that may tell its carry."""
ANSWERS = ("C2", "C1", "C0")
"""The digits with a carry, in the order of `SumRoles.carries`."""


class Carries:
    """Cells that tell the carries into C2, C1 and C0."""

    def __init__(self, task: Task, roles: SumRoles) -> None:
        self._task = task
        self._roles = roles
        self._attention = Attention(task, roles)
        self._behaviour = Behaviour(task, roles)
        self._circuits = Circuits(task, roles)

    # ---------------------------------------------------------------- which cells
    def cell(self, answer: str) -> Cell:
        """The cell of layer 0 that tells the carry into an answer such as "C2".

        Of the cells up to where the answer is read that look at both digits of the pair with at
        least `LOOKS`, or of the one that looks at them most if there are none, that without which
        most answers lack the carry and fewest are wrong in another way.
        """
        place = int(answer[1]) + 1
        queries = NAMES[B + place : ANSWERED[place - 1] + 1]
        looks = {
            (head, query): min(self._attention.on_pair(head, query, place))
            for head in self._roles.early
            for query in queries
        }
        chosen = [cell for cell, weight in looks.items() if weight >= LOOKS]
        candidates = chosen or [max(looks, key=lambda cell: looks[cell])]
        return max(candidates, key=lambda cell: self._lost(cell, answer))

    def _lost(self, cell: Cell, answer: str) -> float:
        """The share of answers that lack the carry without a cell, less that of other errors."""
        (head, name), examples, number = cell, self._task.examples, int(answer[1])
        edit = ablation.at(self._task, head, NAMES.index(name))
        says, right = self._task.logits([edit])[:, number].argmax(-1), examples.labels[:, number]
        carry = (says - sum_digits(examples.tokens)[:, number]) % DIGITS <= 1
        wrong = says != right
        return ((wrong & carry).double() - (wrong & ~carry).double()).mean().item()

    # ---------------------------------------------------------------- what they do
    def deleted(self, cells: Sequence[Cell] | None = None) -> Mapping[str, float]:
        """What is left without these cells, or others, one at a time; see `Behaviour.deleted`.

        `kept`: the smallest share of answers that are the sum digit or one more. `left`: the
        largest accuracy of the digit whose carry the cell tells.
        """
        found = self._behaviour.deleted(cells)
        return {
            "kept": min(found[f"kept_{answer}"] for answer in ANSWERS),
            "left": max(found[f"accuracy_{answer}"] for answer in ANSWERS),
        }

    def halves(self, cells: Sequence[Cell] | None = None) -> float:
        """The smallest mean attention of these cells, or others, to a digit of their pair."""
        pairs = [
            self._attention.on_pair(head, name, int(answer[1]) + 1)
            for answer, (head, name) in zip(ANSWERS, cells or self._roles.carries, strict=True)
        ]
        return min(map(min, pairs))

    def preferred(self, cells: Sequence[Cell] | None = None) -> float:
        """How well the preferred digit of a pair tells the carry, for the cell that does so worst.

        The share of pairs of different digits in which the digit that the cell prefers is 5 or more
        where they add up to ten or more, and less where they do not.
        """
        return min(self._tells(cell) for cell in cells or self._roles.carries)

    def _tells(self, cell: Cell) -> float:
        (head, name) = cell
        liked = self._circuits.preferences(f"{label(head)}@{name}").tolist()
        pairs = list(permutations(range(DIGITS), 2))
        right = [
            (max(pair, key=lambda digit: liked[digit]) >= DIGITS / 2) == (sum(pair) >= DIGITS)
            for pair in pairs
        ]
        return sum(right) / len(pairs)

    # ---------------------------------------------------------------- what heads write
    def written(self, *, exchanged: bool = False) -> Mapping[str, float]:
        """What the heads of layer 0 write about digits; see `Circuits.directions`.

        `step` of the head that writes carries alone, and the smaller `circle` of the others. For
        controls, the smaller `step` of the others and the `circle` of the first.
        """
        first, *others = self._roles.early
        steps, circles = ([first], others) if not exchanged else (others, [first])
        return {
            "step": min(map(self._circuits.step, steps)),
            "circle": min(map(self._circuits.circle, circles)),
        }
