"""The logit difference under every combination of token signal and position signal.

Section "Positional vs token information being moved". The outputs of some heads are replaced by
those on prompts in which one or both signals are exchanged (`data.RULES`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from replications.analysis.statistics import ratio
from replications.systems.ioi.data import RULES
from replications.systems.ioi.roles import Heads
from replications.systems.ioi.task import Task

SMALL = 0.02
"""Residuals below this share of the clean logit difference count as zero."""
FLOOR = 0.1
"""Position steps below this share of the clean logit difference have no ratio to a token swing."""


@dataclass(frozen=True)
class Table:
    """Mean logit differences by token signal (rows) and position signal (columns).

    Rows are the same, a random and the inverted token; columns the same and the inverted position.
    """

    cells: Tensor
    """float64 [3 2]"""
    clean: float
    """Mean logit difference of the intact model."""

    # ---------------------------------------------------------------- the additive fit
    @property
    def fit(self) -> Tensor:
        """The sum of row effects and column effects that fits best: [3 2]."""
        return self.cells.mean(1, keepdim=True) + self.cells.mean(0) - self.cells.mean()

    @property
    def largest_residual(self) -> float:
        """Largest distance of a cell from the fit, in logits."""
        return (self.cells - self.fit).abs().max().item()

    @property
    def relative_residual(self) -> float:
        """Largest residual over the range of the cells; 0 for a residual that is `SMALL`."""
        if self.largest_residual <= SMALL * abs(self.clean):
            return 0.0
        return ratio(self.largest_residual, (self.cells.max() - self.cells.min()).item())

    @property
    def additive(self) -> dict[str, float]:
        """Largest residual and mean steps, in units of the clean logit difference."""
        first, second = self.token_steps
        return {
            "largest_residual": ratio(self.largest_residual, self.clean),
            "position_step": ratio(self.position_step, self.clean),
            "first_token_step": ratio(first, self.clean),
            "second_token_step": ratio(second, self.clean),
        }

    # ---------------------------------------------------------------- steps
    @property
    def position_step(self) -> float:
        """Mean fall from the same to the inverted position: the full swing, in logits."""
        return (self.cells[:, 0] - self.cells[:, 1]).mean().item()

    @property
    def position_steps(self) -> dict[str, float]:
        """Fall from the same to the inverted position: smallest row, and mean."""
        steps = self.cells[:, 0] - self.cells[:, 1]
        return {"least": steps.min().item(), "mean": steps.mean().item()}

    @property
    def token_steps(self) -> list[float]:
        """Mean falls from the same to a random token, and from there to the inverted token."""
        means = self.cells.mean(1)
        return [(means[0] - means[1]).item(), (means[1] - means[2]).item()]

    @property
    def random_token_steps(self) -> list[float]:
        """Fall from the same to a random token, in each column."""
        found: list[float] = (self.cells[0] - self.cells[1]).tolist()
        return found

    @property
    def inverted_token_steps(self) -> list[float]:
        """Fall from a random to the inverted token, in each column."""
        found: list[float] = (self.cells[1] - self.cells[2]).tolist()
        return found

    @property
    def token_swing(self) -> float:
        """Mean fall from the same to the inverted token: the full swing, in logits."""
        return sum(self.token_steps)

    # ---------------------------------------------------------------- comparisons
    @property
    def identity_error(self) -> float:
        """Distance of the cell where nothing is exchanged from the clean logit difference."""
        return abs(self.cells[0, 0].item() - self.clean)

    @property
    def closest_other_cell(self) -> float:
        """Smallest distance of any other cell from the clean logit difference."""
        return (self.cells.flatten()[1:] - self.clean).abs().min().item()

    @property
    def both_inverted(self) -> float:
        """The cell with both signals inverted, over the cell where nothing is exchanged."""
        return ratio(self.cells[2, 1].item(), self.cells[0, 0].item())

    @property
    def token_over_position(self) -> float:
        """Full swing of the token over full swing of the position.

        It is 0 where the position step is less than `FLOOR`: a ratio of noise says nothing.
        """
        if abs(self.position_step) < FLOOR * abs(self.clean):
            return 0.0
        return ratio(self.token_swing, self.position_step)

    @property
    def position_lead(self) -> float:
        """Position step less the size of the token swing, as a share of the clean difference."""
        return ratio(self.position_step - abs(self.token_swing), self.clean)


class Tables:
    """Tables for sets of heads, each cell run once."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._cells: dict[tuple[str, Heads], float] = {}

    def of(self, heads: Heads, rules: Mapping[tuple[int, int], str] = RULES) -> Table:
        """The table with the outputs of these heads replaced, together and at all positions.

        `rules` says how names are exchanged in each cell.
        """
        cells = torch.zeros(3, 2, dtype=torch.float64)
        for cell, rule in rules.items():
            cells[cell] = self._cell(rule, heads)
        return Table(cells, self._clean)

    @cached_property
    def _clean(self) -> float:
        return self._task.difference().mean().item()

    def _cell(self, rule: str, heads: Heads) -> float:
        if (rule, heads) not in self._cells:
            edits = self._task.outputs_on(rule, heads)
            self._cells[rule, heads] = self._task.difference(edits).mean().item()
        return self._cells[rule, heads]
