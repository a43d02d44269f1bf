"""Token or position: what claims about the signals of the S-inhibition heads measure."""

from __future__ import annotations

from functools import cached_property

from replications.analysis.statistics import ratio
from replications.systems.ioi.roles import Roles
from replications.systems.ioi.signals import Signals, Table
from replications.systems.ioi.task import Task


class Moved:
    """The table of the S-inhibition heads, of each of them, and of other heads."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self._signals = Signals(task)
        self._roles = roles

    # ---------------------------------------------------------------- tables
    @cached_property
    def together(self) -> Table:
        return self._signals.of(self._roles.s_inhibition)

    @cached_property
    def outside(self) -> Table:
        """Of as many heads outside the circuit."""
        return self._signals.of(self._roles.outside)

    @cached_property
    def earlier(self) -> Table:
        """Of the heads that detect the duplicate, in front of the S-inhibition heads."""
        return self._signals.of(self._roles.induction + self._roles.duplicate)

    @cached_property
    def each(self) -> list[Table]:
        return [self._signals.of([head]) for head in self._roles.s_inhibition]

    @cached_property
    def each_duplicate(self) -> list[Table]:
        return [self._signals.of([head]) for head in self._roles.duplicate]

    @cached_property
    def each_outside(self) -> list[Table]:
        return [self._signals.of([head]) for head in self._roles.outside]

    # ---------------------------------------------------------------- together
    @property
    def identity(self) -> float:
        """Distance of the top left cell from the clean logit difference."""
        return self._signals.identity(self._roles.s_inhibition)

    @property
    def least_other_distance(self) -> float:
        """The same of the closest other cell."""
        cells = self.together.cells.flatten()[1:]
        return (cells - self._signals.clean).abs().min().item()

    @property
    def both_inverted(self) -> float:
        """The cell with both signals inverted, as a share of the clean logit difference."""
        return self._both_inverted(self.together)

    @property
    def both_inverted_outside(self) -> float:
        return self._both_inverted(self.outside)

    def _both_inverted(self, table: Table) -> float:
        return ratio(table.cells[2, 1].item(), table.cells[0, 0].item())

    def _position_steps(self, table: Table) -> dict[str, float]:
        steps = table.cells[:, 0] - table.cells[:, 1]
        return {"least": steps.min().item(), "mean": steps.mean().item()}

    @property
    def position_steps(self) -> dict[str, float]:
        """Fall of the logit difference when the position is inverted: least row, and mean."""
        return self._position_steps(self.together)

    @property
    def position_steps_outside(self) -> dict[str, float]:
        return self._position_steps(self.outside)

    @property
    def random_token_steps(self) -> list[float]:
        """Fall when the token is random: both columns."""
        return (self.together.cells[0] - self.together.cells[1]).tolist()

    @property
    def random_token_steps_outside(self) -> list[float]:
        return (self.outside.cells[0] - self.outside.cells[1]).tolist()

    @property
    def inverted_token_steps(self) -> list[float]:
        """Further fall when the token is inverted: both columns."""
        return (self.together.cells[1] - self.together.cells[2]).tolist()

    @property
    def inverted_token_steps_outside(self) -> list[float]:
        return (self.outside.cells[1] - self.outside.cells[2]).tolist()

    def _additive(self, table: Table) -> dict[str, float]:
        """The fit, in units of the clean logit difference (2.8 in the document)."""
        clean = self._signals.clean
        first, second = table.token_steps
        return {
            "largest_residual": ratio(table.largest_residual, clean),
            "position_step": ratio(table.position_step, clean),
            "first_token_step": ratio(first, clean),
            "second_token_step": ratio(second, clean),
        }

    @property
    def additive(self) -> dict[str, float]:
        """Largest residual and steps of the additive fit, over the clean logit difference."""
        return self._additive(self.together)

    @property
    def additive_permuted(self) -> dict[str, float]:
        return self._additive(self.together.permuted)

    @property
    def position_over_token(self) -> float:
        """Full swing of position over full swing of token."""
        return ratio(self.together.position_step, self.together.token_swing)

    @property
    def position_over_token_earlier(self) -> float:
        return ratio(self.earlier.position_step, self.earlier.token_swing)

    @property
    def position_over_token_outside(self) -> float:
        return ratio(self.outside.position_step, self.outside.token_swing)

    # ---------------------------------------------------------------- one by one
    def _lead(self, tables: list[Table]) -> list[float]:
        """Position step less token swing, as a share of the clean logit difference."""
        clean = self._signals.clean
        return [ratio(t.position_step - abs(t.token_swing), clean) for t in tables]

    @property
    def position_leads(self) -> list[float]:
        return self._lead(self.each)

    @property
    def position_leads_of_duplicate(self) -> list[float]:
        return self._lead(self.each_duplicate)

    @property
    def position_leads_outside(self) -> list[float]:
        return self._lead(self.each_outside)

    def _only_position(self, index: int) -> dict[str, float]:
        steps = [table.position_step for table in self.each]
        table = self.each[index]
        return {
            "token_over_position": abs(ratio(table.token_swing, table.position_step)),
            "rank": sorted(steps, reverse=True).index(steps[index]) + 1,
        }

    @property
    def largest_alone(self) -> dict[str, float]:
        """Token swing over position step of the biggest S-inhibition head, and its rank."""
        return self._only_position(self._index_of_biggest)

    @property
    def next_alone(self) -> dict[str, float]:
        """The same of a head that reads the token too."""
        return self._only_position(self._token_readers[0])

    @property
    def _index_of_biggest(self) -> int:
        return self._roles.s_inhibition.index(self._roles.biggest_inhibition)

    @property
    def _token_readers(self) -> list[int]:
        return [self._roles.s_inhibition.index(head) for head in self._roles.token_readers]

    def _token(self, readers: list[int]) -> dict[str, float]:
        swings = [table.token_swing for table in self.each]
        others = [swing for i, swing in enumerate(swings) if i not in readers]
        over = [ratio(self.each[i].position_step, swings[i]) for i in readers]
        least = min(swings[i] for i in readers)
        return {
            "least_ratio": min(over),
            "largest_ratio": max(over),
            "lead_in_token": least - max(others, default=0.0),
        }

    @property
    def token_readers(self) -> dict[str, float]:
        """Position step over token swing of the token readers, and their lead in token swing."""
        return self._token(self._token_readers)

    @property
    def other_readers(self) -> dict[str, float]:
        """The same asked of the other heads."""
        readers = self._token_readers
        return self._token([i for i in range(len(self.each)) if i not in readers])

    def _residuals(self, tables: list[Table]) -> list[float]:
        """Largest residual of each fit, over the range of its table.

        Residuals below a fiftieth of the clean logit difference count as zero.
        """
        small = 0.02 * abs(self._signals.clean)
        return [
            0.0 if table.largest_residual <= small else ratio(table.largest_residual, table.range)
            for table in tables
        ]

    @property
    def residuals(self) -> list[float]:
        return self._residuals(self.each)

    @property
    def residuals_permuted(self) -> list[float]:
        return self._residuals([table.permuted for table in self.each])
