"""The sections "Direct logit attribution" and "… on all predictions": what writes the answers.

A contribution is the inner product of a vector at a prediction position with the column of W_U
that belongs to the right answer, in logits, averaged over prompts.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from replications.models import Head
from replications.systems.list_update.task import Task


class Attribution:
    """Contributions of the embedding and of each head to the right answers."""

    def __init__(self, task: Task) -> None:
        self._task = task

    @property
    def _written(self) -> list[Tensor]:
        """What the embedding and each head write at the predictions: each float64 [n j d_model]."""
        outputs = map(self._task.output, self._task.heads)
        return [self._task.run["embed"].double(), *outputs]

    def contributions(self, offset: int = 0) -> Tensor:
        """Contributions of the embedding and of each head, in logits: float64 [1+layer j].

        With an `offset`, they are to the number that is larger than the answer by so much (modulo
        how many numbers there are).
        """
        numbers = (self._task.answers + offset) % self._task.format.numbers
        directions = self._task.lens.weights.W_U.T[numbers].double()  # [n j d_model]
        return torch.stack([(part * directions).sum(-1).mean(0) for part in self._written])

    # ---------------------------------------------------------------- components
    @cached_property
    def components(self) -> Tensor:
        """Contributions of the embedding and of each head, in logits: float64 [1+layer j]."""
        return self.contributions()

    @cached_property
    def heads(self) -> dict[Head, Tensor]:
        """The contribution of each head to each prediction, in logits: float64 [j]."""
        return dict(zip(self._task.heads, self.components[1:], strict=True))

    @cached_property
    def totals(self) -> Tensor:
        """The sum of all contributions to each prediction, in logits: float64 [j]."""
        return self.components.sum(0)

    @cached_property
    def accumulated(self) -> Tensor:
        """Contributions of the stream before each layer and at the end: float64 [layer+1 j]."""
        return self.components.cumsum(0)

    # ---------------------------------------------------------------- findings
    def lens_accuracy(self, layers: int) -> float:
        """The share of answers read off the stream after so many layers (the logit lens)."""
        stream = torch.stack(self._written[: 1 + layers]).sum(0)
        found = (stream @ self._task.lens.weights.W_U.double()).argmax(-1)
        return (found == self._task.answers).double().mean().item()

    def share(self, head: Head, offset: int = 0) -> dict[str, float]:
        """A head's contribution to the first prediction: share of the total, and logits."""
        contributions = self.contributions(offset)[:, 0]
        part = contributions[self._row(head)]
        return {"share": (part / contributions.sum()).item(), "logits": part.item()}

    def all_predictions(self, head: Head, offset: int = 0) -> dict[str, float]:
        """The smallest share a head has in a prediction, and the largest total over the least."""
        contributions = self.contributions(offset)
        totals = contributions.sum(0)
        return {
            "smallest_share": (contributions[self._row(head)] / totals).min().item(),
            "largest_total_ratio": (totals.max() / totals.min()).item(),
        }

    def _row(self, head: Head) -> int:
        """The row of a head in `contributions`."""
        return 1 + self._task.heads.index(head)

    def unexplained(self, with_positions: bool = False) -> float:
        """The largest entry, in size, of the final stream less the sum of its components.

        The components are the token embedding and the heads; `with_positions` counts the
        positional embeddings among them.
        """
        run = self._task.run
        parts = [*self._written, *([run["pos_embed"].double()] if with_positions else [])]
        return (run["final"].double() - torch.stack(parts).sum(0)).abs().max().item()
