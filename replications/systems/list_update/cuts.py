"""The causal test of composition: the last layer recomputed with one path cut.

A path is cut by giving queries, keys or values of the last layer what they would be if the first
layer had written nothing: embeddings, and for queries and keys positions.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from replications.lens import Run
from replications.models import sites
from replications.models.edits import put_rows

if TYPE_CHECKING:
    from replications.systems.list_update.measure import ListUpdateSubject


class Cuts:
    """One subject without query, key or value composition."""

    def __init__(self, subject: ListUpdateSubject) -> None:
        self._s = subject
        self._runs: dict[sites.Site, Run] = {}

    def from_embeddings(self, place: sites.Place) -> Tensor:
        """Queries, keys or values of `place` if no head had written: [n pos head d_head]."""
        weights, layer = self._s.weights, place.layer
        matrix = {"q": weights.W_Q, "k": weights.W_K, "v": weights.W_V}[place.site.name]
        inputs = weights.W_E[self._s.tokens]
        if place.site.name != "v":
            inputs = inputs + weights.W_pos[: inputs.shape[1]]
        return (inputs @ matrix[layer, 0])[:, :, None]

    def _run(self, site: sites.Site) -> Run:
        """The run with one path cut, reading the last layer's pattern."""
        if site not in self._runs:
            last = self._s.layers - 1
            edit = put_rows(site(last), self.from_embeddings(site(last)))
            reads = {"pattern": sites.PATTERN(last).pick(head=0)}
            self._runs[site] = self._s.lens.run(self._s.tokens, reads, [edit])
        return self._runs[site]

    def _logits(self, site: sites.Site) -> Tensor:
        """Logits at the prediction positions with one path cut: float64 [n j number]."""
        return self._run(site).logits[:, self._s.predicting].double()

    @property
    def pattern_without_k(self) -> Tensor:
        """The last layer's attention without K-composition: float64 [n query key]."""
        return self._run(sites.K)["pattern"].double()

    def _accuracies(self, logits: Tensor) -> dict[str, float]:
        right = logits.argmax(-1) == self._s.answers
        updated = self._s.updated
        return {
            "updated": right[updated].double().mean().item(),
            "kept": right[~updated].double().mean().item(),
        }

    def _answer_logit(self, logits: Tensor) -> float:
        return logits.gather(-1, self._s.answers[..., None]).mean().item()

    def _measured(self, keys_cut: Tensor, values_cut: Tensor) -> dict[str, float]:
        without_k = self._accuracies(keys_cut)
        intact = self._answer_logit(self._s.logits())
        return {
            "updated_without_k": without_k["updated"],
            "kept_without_k": without_k["kept"],
            "answer_logit_lost_without_v": 1 - self._answer_logit(values_cut) / intact,
        }

    @cached_property
    def composition(self) -> dict[str, float]:
        """Accuracy without K-composition, and the share of the answer logit lost without V."""
        return self._measured(self._logits(sites.K), self._logits(sites.V))

    @cached_property
    def query_instead(self) -> dict[str, float]:
        """The same measurement with Q-composition cut in place of either."""
        return self._measured(self._logits(sites.Q), self._logits(sites.Q))

    @cached_property
    def nothing_cut(self) -> dict[str, float]:
        return self._measured(self._s.logits(), self._s.logits())

    @cached_property
    def query_change(self) -> float:
        """Largest change of accuracy, updated or kept, without Q-composition."""
        return self._change(sites.Q)

    @cached_property
    def key_change(self) -> float:
        return self._change(sites.K)

    def _change(self, site: sites.Site) -> float:
        intact, cut = self._accuracies(self._s.logits()), self._accuracies(self._logits(site))
        return max(abs(intact[which] - cut[which]) for which in intact)

    @cached_property
    def accuracy_without_v(self) -> float:
        """Accuracy without V-composition."""
        right = self._logits(sites.V).argmax(-1) == self._s.answers
        return torch.mean(right.double()).item()
