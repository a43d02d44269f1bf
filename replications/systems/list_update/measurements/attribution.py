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

    @cached_property
    def _directions(self) -> Tensor:
        """W_U of the right answers: float64 [n j d_model]."""
        return self._task.lens.weights.W_U.T[self._task.answers].double()

    def _contribution(self, written: Tensor) -> Tensor:
        """The mean contribution of `written` [n j d_model] to each prediction: [j]."""
        return (written.double() * self._directions).sum(-1).mean(0)

    # ---------------------------------------------------------------- components
    @cached_property
    def heads(self) -> dict[Head, Tensor]:
        """The contribution of each head to each prediction, in logits: float64 [j]."""
        return {head: self._contribution(self._task.output(head)) for head in self._task.heads}

    @cached_property
    def components(self) -> Tensor:
        """Contributions of the embedding and of each head, in logits: float64 [1+layer j]."""
        embedding = self._contribution(self._task.run["embed"])
        return torch.stack([embedding, *self.heads.values()])

    @cached_property
    def totals(self) -> Tensor:
        """The sum of all contributions to each prediction, in logits: float64 [j]."""
        return self.components.sum(0)

    @cached_property
    def accumulated(self) -> Tensor:
        """Contributions of the stream before each layer and at the end: float64 [layer+1 j]."""
        return self.components.cumsum(0)

    # ---------------------------------------------------------------- findings
    @cached_property
    def logit_lens(self) -> dict[str, float]:
        """Contributions of the stream to the first prediction, as shares of the final stream's."""
        summed = self.accumulated[:, 0] / self.totals[0]
        return {"before_layer_0": summed[0].item(), "after_layer_0": summed[1].item()}

    def share(self, head: Head) -> dict[str, float]:
        """A head's contribution to the first prediction: share of the total, and logits."""
        part = self.heads[head][0]
        return {"share": (part / self.totals[0]).item(), "logits": part.item()}

    def all_predictions(self, head: Head) -> dict[str, float]:
        """The smallest share a head has in a prediction, and the largest total over the least."""
        shares = self.heads[head] / self.totals
        return {
            "smallest_share": shares.min().item(),
            "largest_total_ratio": (self.totals.max() / self.totals.min()).item(),
        }

    def unexplained(self, with_positions: bool = False) -> float:
        """The largest entry, in size, of the final stream less the sum of its components.

        The components are the token embedding and the heads; `with_positions` counts the
        positional embeddings among them.
        """
        run = self._task.run
        parts = sum(map(self._task.output, self._task.heads), run["embed"].double())
        if with_positions:
            parts = parts + run["pos_embed"].double()
        return (run["final"].double() - parts).abs().max().item()
