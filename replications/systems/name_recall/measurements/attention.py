"""Method 3: where the heads look, on the prompts and on repeated random tokens."""

from __future__ import annotations

from torch import Tensor

from replications.analysis import statistics as stats
from replications.models import Head
from replications.systems.name_recall.data import END, LAST, Corruption
from replications.systems.name_recall.roles import Roles
from replications.systems.name_recall.task import Task


class Attention:
    """Attention patterns and scores of single heads."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self._task = task
        self._roles = roles

    def duplicate(self, head: Head) -> dict[str, float]:
        """looks_at: the position that the last token attends to most, the opening token left out;
        score: the head's duplicate-token score."""
        return {
            "looks_at": _looks_at(self._task.pattern(head)[END]),
            "score": self._task.scores.duplicate[head].mean().item(),
        }

    def previous(self, head: Head) -> dict[str, float]:
        """diagonal: mean attention to the token before, over the positions of the clean prompts;
        looks_at: the position that the last name attends to most."""
        pattern = self._task.pattern(head)
        return {
            "diagonal": pattern.diagonal(-1).mean().item(),
            "looks_at": int(pattern[LAST].argmax()),
        }

    def copying(self, head: Head, corruption: Corruption | None = None) -> dict[str, float]:
        """looks_at: the position that the last token attends to most, the opening token left out;
        attention: its attention to the last name.  On the clean or on corrupted prompts."""
        row = self._task.pattern(head, corruption)[END]
        return {"looks_at": _looks_at(row), "attention": row[LAST].item()}

    def scores_against_roles(self, head: Head) -> dict[str, float]:
        """A head's three scores, each as a share of the score of the head that has the role."""
        roles, scores = self._roles, self._task.scores
        pairs = {
            "previous": (scores.previous, roles.previous),
            "duplicate": (scores.duplicate, roles.duplicate),
            "induction": (scores.induction, roles.copying),
        }
        return {
            name: stats.ratio(score[head].mean().item(), score[role].mean().item())
            for name, (score, role) in pairs.items()
        }


def _looks_at(row: Tensor) -> int:
    """The position with the most attention in a row [key], position 0 left out."""
    return 1 + int(row[1:].argmax())
