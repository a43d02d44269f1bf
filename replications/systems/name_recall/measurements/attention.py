"""Method 3: where the heads look, on the prompts and on repeated random tokens."""

from __future__ import annotations

from torch import Tensor

from replications.models import Head
from replications.systems.name_recall.data import END, FIRST, LAST, Corruption
from replications.systems.name_recall.task import Task


class Attention:
    """Attention patterns and scores of single heads."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def duplicate(self, head: Head) -> dict[str, float]:
        """looks_at: the position that the last token attends to most, the opening token left out;
        score: the head's duplicate-token score."""
        return {
            "looks_at": _looks_at(self._task.pattern(head)[END]),
            "score": self._task.scores.duplicate[head].mean().item(),
        }

    def previous(self, head: Head, *, back: int = 1) -> dict[str, float]:
        """diagonal: mean attention to the token `back` positions before, over the positions of the
        clean prompts; looks_at: the position that the token `back` positions after the first name
        attends to most, by default the last name."""
        pattern = self._task.pattern(head)
        return {
            "diagonal": pattern.diagonal(-back).mean().item(),
            "looks_at": int(pattern[FIRST + back].argmax()),
        }

    def copying(self, head: Head, corruption: Corruption | None = None) -> dict[str, float]:
        """looks_at: the position that the last token attends to most, the opening token left out;
        attention: its attention to the last name.  On the clean or on corrupted prompts."""
        row = self._task.pattern(head, corruption)[END]
        return {"looks_at": _looks_at(row), "attention": row[LAST].item()}

    def scores(self, head: Head) -> dict[str, float]:
        """A head's previous-token, duplicate-token and induction score on repeated random tokens:
        mean attention, from 0 to 1."""
        scores = self._task.scores
        return {
            "previous": scores.previous[head].mean().item(),
            "duplicate": scores.duplicate[head].mean().item(),
            "induction": scores.induction[head].mean().item(),
        }


def _looks_at(row: Tensor) -> int:
    """The position with the most attention in a row [key], position 0 left out."""
    return 1 + int(row[1:].argmax())
