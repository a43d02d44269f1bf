"""Activation patching from corrupted prompts into clean ones, by place.

The metric is the document's: logit of the clean prompt's last name less logit of the other one, at
the last token.  Maps hold its mean over the prompts after patching; an effect is what it lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from replications.lens import Lens
from replications.lens.networks import as_network
from replications.models import sites
from replications.models.edits import Edit, put_rows
from replications.models.sites import Place
from replications.patching import Grid, Sweep, sweeps
from replications.systems.name_recall.data import Prompts

Corruption = Literal["last_name", "first_name", "second_name"]
CORRUPTIONS: tuple[Corruption, ...] = ("last_name", "first_name", "second_name")
Kind = Literal["residual", "attn_out", "heads", "heads_by_position"]
GRIDS: dict[Kind, Sequence[Grid]] = {
    "residual": (
        Grid(sites.RESID_PRE, "layer pos", layers=[0]),
        Grid(sites.RESID_POST, "layer pos"),
    ),
    "attn_out": (Grid(sites.ATTN_OUT, "layer pos"),),
    "heads": (Grid(sites.Z, "layer head"),),
    "heads_by_position": (Grid(sites.Z, "layer head pos"),),
}
Metric = Callable[[Tensor], Tensor]
"""Logits at the last token [… n d_vocab_out] to numbers [… n]."""


class Patches:
    """Maps of patched places on some prompts, each computed once."""

    def __init__(self, lens: Lens, prompts: Prompts) -> None:
        self._network = as_network(lens)
        self.prompts = prompts
        self._effects: dict[tuple[Kind, Corruption], Tensor] = {}

    # ---------------------------------------------------------------- the two ends
    def difference(self, logits: Tensor) -> Tensor:
        """The metric, float64 [n], of logits [n d_vocab_out]."""
        found = logits.double().gather(1, self.prompts.answers)
        return found[:, 0] - found[:, 1]

    def run(self, tokens: Tensor, edits: Sequence[Edit] = ()) -> Tensor:
        """Logits at the last token, [n d_vocab_out]."""
        with torch.no_grad():
            return self._network.forward(tokens, edits)[:, -1]

    @cached_property
    def clean(self) -> float:
        """The metric of clean prompts."""
        return self.difference(self.run(self.prompts.clean)).mean().item()

    def corrupted(self, corruption: Corruption) -> float:
        """The metric of corrupted prompts."""
        tokens = getattr(self.prompts, corruption)
        return self.difference(self.run(tokens)).mean().item()

    def patched(self, places: Sequence[Place], corruption: Corruption) -> Tensor:
        """Logits at the last token with some places as in the corrupted run: [n d_vocab_out]."""
        with torch.no_grad():
            there = self._network.cache(getattr(self.prompts, corruption))
        edits = [put_rows(p, there[Place(p.site, p.layer)][p.index]) for p in places]
        return self.run(self.prompts.clean, edits)

    # ---------------------------------------------------------------- maps
    def map(self, kind: Kind, corruption: Corruption) -> Tensor:
        """The mean metric with each place of a kind patched alone, float64.

        residual: [row pos], row 0 before block 0, row l after block l-1; attn_out: [layer pos];
        heads: [layer head], a head's output at every position; heads_by_position:
        [layer head pos].
        """
        return self.clean - self.effect(kind, corruption)

    def effect(self, kind: Kind, corruption: Corruption) -> Tensor:
        """The clean metric less the map: what patching takes away, zero where nothing differs."""
        key = (kind, corruption)
        if key not in self._effects:
            found = self._swept(kind, corruption, self.prompts.answers)
            parts = [part.base.double() - part.values.double() for part in found]
            self._effects[key] = torch.cat(parts).mean(-1)
        return self._effects[key]

    def map_of(self, kind: Kind, corruption: Corruption, metric: Metric) -> Tensor:
        """The same map of the mean of another metric, which sees all logits."""
        every = torch.arange(self._network.shape.d_vocab_out)
        logits = self._swept(kind, corruption, every.expand(len(self.prompts), -1))
        return torch.cat([metric(part.values.double()) for part in logits]).mean(-1)

    def _swept(self, kind: Kind, corruption: Corruption, answers: Tensor) -> list[Sweep]:
        """Sweeps from the corrupted into the clean run."""
        source = getattr(self.prompts, corruption)
        return sweeps(self._network, self.prompts.clean, source, GRIDS[kind], answers)
