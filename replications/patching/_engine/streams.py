"""Residual streams of many copies of one run, and their attention over keys that copies share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from replications.models.network import Network
from replications.patching._engine.layer_operations import Heads, LayerOperations


@dataclass
class Stream:
    """Residual streams [copies batch pos d_model], of the positions from `start` on."""

    x: Tensor
    start: int
    allowed: Sequence[Tensor]
    """Which keys a query may look at in each layer: bool [batch|1 1 query key], from position 0
    on."""

    def pattern(self, layer: int, scores: Tensor) -> Tensor:
        """The softmax of scores [copies batch head query key], whose queries are the stream's."""
        allowed = self.allowed[layer][..., self.start : self.start + scores.shape[-2], :]
        scores = scores.masked_fill(~allowed, -math.inf)
        # A query without a single key to see would be NaN.
        return scores.softmax(-1).masked_fill(~allowed, 0.0)

    def attend(self, operations: LayerOperations, layer: int, own: Heads, base: Heads) -> Tensor:
        """z of the stream's queries [copies batch pos head d_head].

        The keys and values before `own.start` are those of the one stream `base`.
        """
        scores = operations.scores(layer, own, base)
        return operations.mixed(self.pattern(layer, scores), own, base)

    def narrow(self, own: Heads, at: int) -> Heads:
        """Keep position `at` alone, and its queries of `own`; all keys and values stay."""
        row = slice(at - self.start, at - self.start + 1)
        self.keep(at)
        return own._replace(q=own.q[:, :, row])

    def keep(self, at: int) -> None:
        """Keep position `at` alone."""
        self.x, self.start = self.x[:, :, at - self.start : at - self.start + 1], at


def embedded(network: Network, tokens: Tensor, start: int = 0) -> Stream:
    """The stream that enters the first layer: one copy, of tokens [batch pos] from `start` on."""
    x = network.W_E[tokens[:, start:]]
    if network.shape.positions == "standard":
        x = x + network.W_pos[start : tokens.shape[1]]
    return Stream(x[None], start, network.masks(tokens))


def changed_window(base: Tensor, source: Tensor, at: int) -> tuple[int, int]:
    """The positions of a causal model that may differ between the runs and are read at `at`.

    From the first token that differs in some example, to `at`; empty if they differ later only.
    Two examples, which differ from position 2 and from position 1 on:

    >>> import torch
    >>> base = torch.tensor([[5, 6, 7, 8], [5, 6, 7, 8]])
    >>> source = torch.tensor([[5, 6, 0, 8], [5, 1, 7, 8]])
    >>> changed_window(base, source, at=2), changed_window(base, source, at=0)
    ((1, 3), (1, 1))
    """
    stop = at + 1
    differs = (base != source)[:, :stop].any(0).nonzero()
    return (int(differs[0]) if len(differs) else stop), stop
