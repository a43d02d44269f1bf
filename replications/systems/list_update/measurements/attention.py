"""The sections "Stare at … patterns": where the heads look, one at a time and both in a row.

Means are over the prompts with one updated index, as in the document.
"""

from __future__ import annotations

import torch
from torch import Tensor

from replications.models import Head
from replications.systems.list_update.roles import Roles
from replications.systems.list_update.task import Task

FULL = 0.9
"""A mean attention of at least this is called full."""


class Attention:
    """Attention patterns of one model on its prompts."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self._task = task
        self._roles = roles

    # ---------------------------------------------------------------- to the sources of answers
    def _at_sources(self, pattern: Tensor) -> Tensor:
        """Mean attention from each prediction to its source: [index j]."""
        rows = pattern[:, self._task.predicting]
        return self._task.by_index(rows.gather(-1, self._task.sources[..., None])[..., 0])

    def to_source(self, head: Head) -> float:
        """A head's mean attention from predictions to sources: least over index and prediction."""
        return self._at_sources(self._task.pattern(head)).min().item()

    def full_at_source(self, head: Head) -> float:
        """The share of pairs (index, prediction) where that mean attention is at least 0.9."""
        return (self._at_sources(self._task.pattern(head)) >= FULL).double().mean().item()

    # ---------------------------------------------------------------- to the index
    def to_index(self, query: str = "element") -> dict[str, object]:
        """The previous-token head's mean attention to the index, and where it looks most.

        `query` names the position it looks from, "element" or "newline". Raises BadInput for
        another name.
        """
        format = self._task.format
        row = self._task.pattern(self._roles.previous).mean(0)[format.position(query)]
        index, most = format.index_position, int(row.argmax())
        return {
            "attention": row[index].item(),
            "looks_most_at": "index" if most == index else f"position {most}",
        }

    # ---------------------------------------------------------------- both heads in a row
    def virtual(self, *heads: Head) -> dict[str, float]:
        """Attention through these heads in a row from predictions that are kept to their sources.

        `least` and `most` are means by index and prediction; `looks_most_at_source` is the share
        of pairs (index, prediction) whose source gets the most attention.
        """
        pattern, n = self._task.pattern(*heads), self._task.format.length
        kept = ~torch.eye(n, dtype=torch.bool)
        to_source = self._at_sources(pattern)[kept]
        looks_at = self._task.by_index(pattern[:, self._task.predicting]).argmax(-1)
        right = looks_at == torch.arange(1, n + 1)
        return {
            "least": to_source.min().item(),
            "most": to_source.max().item(),
            "looks_most_at_source": right[kept].double().mean().item(),
        }

    def from_updated(self, *heads: Head) -> dict[str, float]:
        """Attention through these heads in a row from the updated prediction, mean over indices.

        It is given at the index token, at the new element, and as the largest elsewhere.
        """
        format = self._task.format
        mean = self._task.by_index(self._task.pattern(*heads)[:, self._task.predicting])
        row = mean.diagonal().mean(-1)  # [key]
        rest = row.clone()
        rest[[format.index_position, format.element_position]] = 0.0
        return {
            "index": row[format.index_position].item(),
            "element": row[format.element_position].item(),
            "largest_other": rest.max().item(),
        }

    # ---------------------------------------------------------------- default and override
    def override(
        self, pattern: Tensor | None = None, updated: Tensor | None = None
    ) -> dict[str, float]:
        """The shares of updated and of kept predictions that prefer the new element.

        A prediction prefers it if its score there exceeds that at its own list position. `pattern`
        [n query key] is the copying head's unless given; `updated` bool [n j] says which
        predictions count as updated.
        """
        pattern = self._task.pattern(self._roles.copying) if pattern is None else pattern
        updated = self._task.updated if updated is None else updated
        prefers = self._prefers_element(pattern)
        return {
            "updated": prefers[updated].mean().item(),
            "kept": prefers[~updated].mean().item(),
        }

    def _prefers_element(self, pattern: Tensor) -> Tensor:
        """Whether each prediction scores the new element above its own place: float64 [n j].

        Scores are compared through the pattern, as a softmax keeps their order.
        """
        rows = pattern[:, self._task.predicting]
        element = rows[..., self._task.format.element_position]
        own = torch.arange(1, self._task.format.length + 1).expand_as(element)
        default = rows.gather(-1, own[..., None])[..., 0]
        return (element > default).double()
