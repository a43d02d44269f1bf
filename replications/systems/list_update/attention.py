"""Where the heads look: the right source, the index, and both heads in a row."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from replications.systems.list_update.measure import ListUpdateSubject


class Attention:
    """Attention patterns of one subject, averaged over prompts with the same index."""

    def __init__(self, subject: ListUpdateSubject) -> None:
        self._s = subject

    # ---------------------------------------------------------------- the last head
    def _at_sources(self, pattern: Tensor) -> Tensor:
        """Mean attention from each prediction to its source: [index j]."""
        rows = pattern[:, self._s.predicting]
        return self._s.by_index(rows.gather(-1, self._s.sources[..., None])[..., 0])

    @cached_property
    def last_to_source(self) -> float:
        """Head 1.0 from a prediction to its source: the least over indices and predictions."""
        return self._at_sources(self._s.pattern(-1)).min().item()

    @cached_property
    def first_to_source(self) -> float:
        return self._at_sources(self._s.pattern(0)).min().item()

    @cached_property
    def last_cells_right(self) -> float:
        """Share of the pairs of index and prediction where that attention is at least 0.9."""
        return (self._at_sources(self._s.pattern(-1)) >= 0.9).double().mean().item()

    @cached_property
    def first_cells_right(self) -> float:
        return (self._at_sources(self._s.pattern(0)) >= 0.9).double().mean().item()

    # ---------------------------------------------------------------- the first head
    @cached_property
    def _first_mean(self) -> Tensor:
        """Head 0.0 averaged over prompts: [query key]."""
        return self._s.pattern(0).mean(0)

    @cached_property
    def element_to_index(self) -> dict[str, object]:
        """Head 0.0 from the new element: attention to the index, and where it looks most."""
        return self._to_index(self._s.task.element_position)

    @cached_property
    def newline_to_index(self) -> dict[str, object]:
        """The same from the newline after the new element."""
        return self._to_index(self._s.task.element_position + 1)

    def _to_index(self, query: int) -> dict[str, object]:
        row = self._first_mean[query]
        index, most = self._s.task.index_position, int(row.argmax())
        return {
            "attention": row[index].item(),
            "looks_most_at": "index" if most == index else f"position {most}",
        }

    # ---------------------------------------------------------------- both heads
    @cached_property
    def virtual(self) -> dict[str, float]:
        """The virtual pattern A1 A0; see `_virtual`."""
        return self._virtual(self._s.pattern(-1) @ self._s.pattern(0))

    @cached_property
    def virtual_wrong_order(self) -> dict[str, float]:
        """A0 A1 instead."""
        return self._virtual(self._s.pattern(0) @ self._s.pattern(-1))

    def _virtual(self, pattern: Tensor) -> dict[str, float]:
        """At predictions that are kept: attention to the source, and how often it is the most."""
        kept = ~torch.eye(self._s.task.length, dtype=torch.bool)
        to_source = self._at_sources(pattern)[kept]
        fixed = torch.arange(1, self._s.task.length + 1)
        looks_at = self._s.by_index(pattern[:, self._s.predicting]).argmax(-1)
        return {
            "least": to_source.min().item(),
            "most": to_source.max().item(),
            "looks_most_at_source": (looks_at == fixed)[kept].double().mean().item(),
        }

    @cached_property
    def virtual_at_updated(self) -> dict[str, float]:
        """At the updated prediction, the virtual pattern to the index token and to the element."""
        return self._updated_to(self._s.pattern(-1) @ self._s.pattern(0))

    @cached_property
    def last_at_updated(self) -> dict[str, float]:
        """The same of head 1.0 alone."""
        return self._updated_to(self._s.pattern(-1))

    def _updated_to(self, pattern: Tensor) -> dict[str, float]:
        """Means over the indices of attention from the updated prediction, by what it looks at."""
        task = self._s.task
        mean = self._s.by_index(pattern[:, self._s.predicting])
        row = mean.diagonal().mean(-1)  # [key]
        rest = row.clone()
        rest[[task.index_position, task.element_position]] = 0.0
        return {
            "index": row[task.index_position].item(),
            "element": row[task.element_position].item(),
            "largest_other": rest.max().item(),
        }

    # ---------------------------------------------------------------- default and override
    @cached_property
    def override(self) -> dict[str, float]:
        """Share of predictions that score the new element above their own place."""
        return self._override(self._s.pattern(-1))

    @cached_property
    def override_exchanged(self) -> dict[str, float]:
        return {"updated": self.override["kept"], "kept": self.override["updated"]}

    @cached_property
    def override_cut(self) -> dict[str, float]:
        """Both shares when keys of the last layer do not see head 0.0."""
        return self._override(self._s.cuts.pattern_without_k)

    def _override(self, pattern: Tensor) -> dict[str, float]:
        return {
            "updated": self._prefers_element(pattern, self._s.updated),
            "kept": self._prefers_element(pattern, ~self._s.updated),
        }

    def _prefers_element(self, pattern: Tensor, which: Tensor) -> float:
        """Scores are compared through the pattern: a softmax keeps their order."""
        rows = pattern[:, self._s.predicting]
        element = rows[..., self._s.task.element_position]
        own = torch.arange(1, self._s.task.length + 1).expand_as(element)
        default = rows.gather(-1, own[..., None])[..., 0]
        return (element > default)[which].double().mean().item()
