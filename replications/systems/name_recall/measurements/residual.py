"""Method 1: where in the residual stream the names are, layer by layer."""

from __future__ import annotations

from torch import Tensor

from replications.analysis import statistics as stats
from replications.systems.name_recall.data import END, FIRST, LAST, Corruption
from replications.systems.name_recall.task import Task, mean_rank

LATE = 8
"""The row from which the document says that first names left of the last token do not matter."""
SMALL = 0.01
"""Shares of the whole effect below this count as none: two zeros differ by their rounding."""


class Residual:
    """Residual-stream patching on the task's prompts.

    Row 0 of a map is before block 0, row l after block l-1.  Effects are shares of what the whole
    corruption does to the metric.
    """

    def __init__(self, task: Task) -> None:
        self._task = task

    # ---------------------------------------------------------------- predictions after a patch
    def ranks_when_patched(
        self, *, after: int | None = None, position: int = LAST
    ) -> dict[str, float]:
        """Mean ranks of both last names with the other last name's stream at one position.

        other: of the name patched in; right: of the clean prompt's; 0 is the likeliest token.
        `after` is the block after which the stream is patched, -1 for the last block; left out,
        `task.stored_after`.
        """
        task = self._task
        layer = task.stored_after if after is None else range(task.layers)[after]
        logits = task.with_other_last_name(layer, position)
        return {
            "other": mean_rank(logits, task.prompts.incorrect),
            "right": mean_rank(logits, task.prompts.correct),
        }

    def neutral(self, mismatched: Corruption = "first_name") -> dict[str, float]:
        """Metrics of corrupted prompts, as shares of the clean metric.

        first_name: of the prompts with a mismatched first name, for which the control takes
        another corruption; last_name: of the last-name corruption.
        """
        found: dict[str, Corruption] = {"first_name": mismatched, "last_name": "last_name"}
        clean = self._task.metric()
        return {part: stats.ratio(self._task.metric(c), clean) for part, c in found.items()}

    # ---------------------------------------------------------------- arrival at the last token
    def arrivals(self, corruption: Corruption) -> Tensor:
        """How much of the effect each block brings to the last token: float64 [layer]."""
        return self._task.residual_share(corruption)[:, END].diff()

    def jump(self, corruption: Corruption = "last_name") -> dict[str, float]:
        """largest_at: the block that brings most of the effect to the last token;
        layers_above_5_percent: how many blocks bring more than 5 % of it."""
        arrivals = self.arrivals(corruption)
        return {
            "largest_at": int(arrivals.argmax()),
            "layers_above_5_percent": int((arrivals > 0.05).sum()),
        }

    def layers_that_carry(self, corruption: Corruption = "last_name") -> int:
        """How many blocks bring more than a tenth of the effect to the last token."""
        return int((self.arrivals(corruption) > 0.1).sum())

    # ---------------------------------------------------------------- moves between positions
    def moves_to_last_name(self, corruption: Corruption = "first_name") -> int:
        """The first row in which the last name's position has a larger effect than the first's."""
        return self._first_row(corruption, LAST, FIRST)

    def moves_to_end(self, corruption: Corruption = "first_name") -> int:
        """The first row in which the last token has a larger effect than the last name."""
        return self._first_row(corruption, END, LAST)

    def _first_row(self, corruption: Corruption, here: int, there: int) -> int:
        """The first row with a larger effect `here` than `there`; one past the last if none has."""
        effect = self._task.residual_share(corruption).abs()
        larger = effect[:, here] > effect[:, there].clamp_min(SMALL)
        return next(iter(larger.nonzero()[:, 0].tolist()), len(effect))

    def left_over(self, corruption: Corruption = "first_name") -> float:
        """The largest effect left of the last token, in row 8 and later."""
        return self._task.residual_share(corruption)[LATE:, :END].abs().max().item()
