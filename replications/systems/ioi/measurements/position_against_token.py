"""Sections "Positional vs token information being moved" and "decompose S-Inhibition heads"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from replications.analysis.statistics import ratio
from replications.systems.ioi.data import RULES
from replications.systems.ioi.measurements.signal_table import Table, Tables
from replications.systems.ioi.roles import Heads, Roles
from replications.systems.ioi.task import Task

Rules = Mapping[tuple[int, int], str]
"""How names are exchanged in each cell of a table; see `data.RULES`."""


class PositionAgainstToken:
    """Which of the two signals heads carry: S-inhibition heads together, or any heads alone.

    Lists have a value for each head, and are empty for a role that no head fills: no claim accepts
    that.
    """

    def __init__(self, task: Task, roles: Roles) -> None:
        self._tables = Tables(task)
        self._roles = roles

    @property
    def together(self) -> Table:
        """The table of all S-inhibition heads together."""
        return self.table(self._roles.s_inhibition)

    def table(self, heads: Heads, rules: Rules = RULES) -> Table:
        """The table of these heads together."""
        return self._tables.of(heads, rules)

    def each(self, heads: Heads, rules: Rules = RULES) -> list[Table]:
        """The table of each of these heads alone."""
        return [self._tables.of((head,), rules) for head in heads]

    @property
    def identity_errors(self) -> list[float]:
        """`Table.identity_error` of each S-inhibition head alone."""
        return [table.identity_error for table in self.each(self._roles.s_inhibition)]

    # ---------------------------------------------------------------- one by one
    def leads(self, heads: Heads) -> list[float]:
        """`Table.position_lead` of each head alone."""
        return [table.position_lead for table in self.each(heads)]

    def residuals(self, rules: Rules = RULES) -> list[float]:
        """`Table.relative_residual` of each S-inhibition head alone."""
        return [table.relative_residual for table in self.each(self._roles.s_inhibition, rules)]

    def alone(self, heads: Heads) -> dict[str, list[float]]:
        """Size of token swing over position step of some S-inhibition heads, and their ranks.

        A rank is that of the position step among all S-inhibition heads, from 1.
        """
        steps = [table.position_step for table in self.each(self._roles.s_inhibition)]
        order = sorted(steps, reverse=True)
        tables = self.each(heads)
        return {
            "token_over_position": [abs(ratio(t.token_swing, t.position_step)) for t in tables],
            "rank": [order.index(table.position_step) + 1 for table in tables],
        }

    def token_readers(
        self, readers: Heads, lead: Callable[[Table], float] = lambda table: table.token_swing
    ) -> dict[str, Any]:
        """`Table.token_over_position` of some S-inhibition heads ("ratios"), and their lead.

        "lead" is their smallest token swing, or another number of a table, less the largest of the
        other S-inhibition heads, in logits.
        """
        rest = tuple(head for head in self._roles.s_inhibition if head not in readers)
        mine, others = ([lead(table) for table in self.each(heads)] for heads in (readers, rest))
        return {
            "ratios": [table.token_over_position for table in self.each(readers)],
            "lead": min(mine, default=0.0) - max(others, default=0.0),
        }
