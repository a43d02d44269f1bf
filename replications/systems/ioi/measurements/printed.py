"""The numbers that the document prints for its own prompts, and the same by other procedures."""

from __future__ import annotations

from torch import Tensor

from replications.systems.ioi import data
from replications.systems.ioi.measurements.name_movers import NameMovers
from replications.systems.ioi.roles import Roles
from replications.systems.ioi.task import Task

PRINTED = 5
"""How many prompts the document prints with their logit differences."""


class Printed:
    """Logit differences in logits, for the sample of a task."""

    def __init__(self, task: Task, roles: Roles, name_movers: NameMovers) -> None:
        self._task = task
        self._roles = roles
        self._name_movers = name_movers

    @property
    def numbers(self) -> dict[str, float]:
        """Clean, attributed to the name mover, naive and after its mean ablation: four means."""
        return self._name_movers.ablation.numbers

    @property
    def zero_ablated(self) -> dict[str, float]:
        """The same with zero, not its mean, in the place of the name mover's output."""
        edits = self._task.ablate_to_zero(self._roles.name_mover)
        return self.numbers | {"ablated": self._task.difference(edits).mean().item()}

    @property
    def single(self) -> list[float]:
        """The first prompts one by one, then their ABC partners."""
        return self._of_each(slice(0, PRINTED))

    @property
    def next_five(self) -> list[float]:
        """As many prompts that come after them, then their ABC partners."""
        return self._of_each(slice(PRINTED, 2 * PRINTED))

    def _of_each(self, rows: slice) -> list[float]:
        task = self._task
        clean: Tensor = task.difference()
        abc = task.difference(tokens=task.abc.tokens)
        return [*clean[rows].tolist(), *abc[rows].tolist()]

    @property
    def on_other_names(self) -> float:
        """The mean on ABC prompts whose names were drawn with another seed."""
        other = self._task.encode(self._task.sample.flipped(data.ABC, again=1))
        return self._task.difference(tokens=other.tokens).mean().item()
