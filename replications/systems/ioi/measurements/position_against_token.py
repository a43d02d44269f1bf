"""Sections "Positional vs token information being moved" and "decompose S-Inhibition heads"."""

from __future__ import annotations

from replications.analysis.statistics import ratio
from replications.models import Head
from replications.systems.ioi.measurements.signal_table import Table, Tables
from replications.systems.ioi.roles import Heads, Roles
from replications.systems.ioi.task import Task


class PositionAgainstToken:
    """Which of the two signals heads carry: S-inhibition heads together, or any heads alone."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self._tables = Tables(task)
        self._roles = roles

    @property
    def together(self) -> Table:
        """The table of all S-inhibition heads together."""
        return self.table(self._roles.s_inhibition)

    def table(self, heads: Heads) -> Table:
        """The table of these heads together."""
        return self._tables.of(heads)

    def each(self, heads: Heads) -> list[Table]:
        """The table of each of these heads alone."""
        return [self._tables.of([head]) for head in heads]

    # ---------------------------------------------------------------- one by one
    def leads(self, heads: Heads) -> list[float]:
        """`Table.position_lead` of each head alone."""
        return [table.position_lead for table in self.each(heads)]

    def residuals(self, *, permuted: bool = False) -> list[float]:
        """`Table.relative_residual` of each S-inhibition head alone; also with cells permuted."""
        tables = self.each(self._roles.s_inhibition)
        return [(table.permuted if permuted else table).relative_residual for table in tables]

    def alone(self, head: Head) -> dict[str, float]:
        """Size of token swing over position step of one S-inhibition head, and its rank.

        The rank is that of its position step among the S-inhibition heads, from 1.
        """
        heads = self._roles.s_inhibition
        steps = [table.position_step for table in self.each(heads)]
        table = self._tables.of([head])
        return {
            "token_over_position": abs(ratio(table.token_swing, table.position_step)),
            "rank": sorted(steps, reverse=True).index(steps[heads.index(head)]) + 1,
        }

    def token_readers(self, readers: Heads) -> dict[str, float]:
        """Smallest and largest position step over token swing of some S-inhibition heads.

        "lead_in_token" is their smallest token swing less the largest of the other S-inhibition
        heads, in logits.
        """
        rest = tuple(head for head in self._roles.s_inhibition if head not in readers)
        mine, others = (
            [table.token_swing for table in self.each(heads)] for heads in (readers, rest)
        )
        ratios = [table.position_over_token for table in self.each(readers)]
        return {
            "least_ratio": min(ratios),
            "largest_ratio": max(ratios),
            "lead_in_token": min(mine) - max(others, default=0.0),
        }
