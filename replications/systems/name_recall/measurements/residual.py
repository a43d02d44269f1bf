"""Method 1: where in the residual stream the names are, layer by layer."""

from __future__ import annotations

from torch import Tensor

from replications.analysis import statistics as stats
from replications.systems.name_recall.data import END, FIRST, LAST, Corruption
from replications.systems.name_recall.task import Task, mean_rank

LATE = 8
"""The row from which the document says that first names left of the last token do not matter."""


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
        `after` is the block after which the stream is patched; left out, `task.stored_after`.
        """
        task = self._task
        logits = task.with_other_last_name(task.stored_after if after is None else after, position)
        return {
            "other": mean_rank(logits, task.prompts.incorrect),
            "right": mean_rank(logits, task.prompts.correct),
        }

    def neutral(self, *, other: Corruption = "last_name", moved: bool = False) -> dict[str, float]:
        """Metrics of corrupted prompts, as shares of the clean metric.

        first_name: with another first name at position 4; last_name: with the corruption `other`.
        With `moved` the first name is changed in the stream at position 4 only after the block
        `task.stored_after`, by when it has moved on.
        """
        task, clean = self._task, self._task.metric()
        row = task.stored_after + 1 if moved else 0
        return {
            "first_name": stats.ratio(task.map("residual", "first_name")[row, FIRST].item(), clean),
            "last_name": stats.ratio(task.metric(other), clean),
        }

    # ---------------------------------------------------------------- arrival at a position
    def arrivals(self, corruption: Corruption, position: int = END) -> Tensor:
        """How much of the effect each block brings to a position: float64 [layer]."""
        return self._task.residual_share(corruption)[:, position].diff(dim=0)

    def jump(self, corruption: Corruption = "last_name", position: int = END) -> dict[str, float]:
        """largest_at: the block that brings most of the effect to a position;
        layers_above_5_percent: how many blocks bring more than 5 % of it."""
        arrivals = self.arrivals(corruption, position)
        return {
            "largest_at": int(arrivals.argmax()),
            "layers_above_5_percent": int((arrivals > 0.05).sum()),
        }

    def layers_that_carry(self, position: int = END) -> int:
        """How many blocks bring more than a tenth of the last name's effect to a position."""
        return int((self.arrivals("last_name", position) > 0.1).sum())

    # ---------------------------------------------------------------- moves between positions
    def first_at(self, position: int, corruption: Corruption = "first_name") -> int:
        """The first row in which no position has a larger effect than `position`.

        One past the last row if there is no such row.
        """
        effect = self._task.residual_share(corruption).abs()
        largest = effect[:, position] == effect.amax(1)
        return next(iter(largest.nonzero()[:, 0].tolist()), len(effect))

    def leaves_last_name(self, corruption: Corruption = "first_name") -> int:
        """The row in which the last token takes over from the last name's position.

        The first row after the one where the last name's position has its largest effect in which
        the last token has a larger effect than that position.
        """
        effect = self._task.residual_share(corruption).abs()
        start = int(effect[:, LAST].argmax())
        over = (effect[start:, END] > effect[start:, LAST]).nonzero()[:, 0].tolist()
        return next((start + row for row in over), len(effect))

    def left_over(self, corruption: Corruption = "first_name") -> float:
        """The largest effect left of the last token, in row 8 and later."""
        return self._task.residual_share(corruption)[LATE:, :END].abs().max().item()
