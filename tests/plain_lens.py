"""A plain network behind the lens's `run`: the same hooks, without TransformerLens's cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from replications.lens import Run
from replications.models.edits import Edit
from replications.models.network import Network
from replications.models.sites import Place


class PlainLens:
    def __init__(self, network: Network) -> None:
        self._network = network
        self.shape = network.shape

    def run(
        self, tokens: Tensor, read: Mapping[str, Place] | None = None, edits: Sequence[Edit] = ()
    ) -> Run:
        logits = self._network.forward(tokens, edits)
        if not read:
            return Run(logits)
        seen = self._network.cache(tokens, edits)
        return Run(logits, {n: seen[p.site(p.layer)][p.index] for n, p in read.items()})
