"""Every edge patched alone, many at once, each exactly.

With one edge patched, everything before its receiver is as in the base run. The receiver reads the
base run's stream plus the change of what the sender writes, and what comes later runs freely:

1. for each sender, the queries (keys, values) of all heads of a layer from one product, and z of
   each head with only its own queries (keys, values) new;
2. for each edge, what the new z of that one head adds to the stream after attention; or what the
   MLP writes; a free run of every edge goes on from there, as one of many copies.

Free runs consist of the window of positions that may differ (see two_runs); in the last layer, of
the metric's position. Each edge is a copy of its own, so results do not depend on which edges go
together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from replications.circuits._engine.two_runs import (
    TwoRuns,
    allowed_from,
    base_heads,
    metric_row,
)
from replications.circuits.graph import INPUTS, Graph, Input
from replications.patching._engine.layer_operations import Heads, LayerOperations
from replications.patching._engine.streams import Stream


@dataclass(frozen=True)
class Found:
    """What some edges, patched alone, make of the final stream."""

    receivers: Tensor
    """Numbers of their receivers: long [edge]"""
    senders: Tensor
    stream: Tensor
    """At the metric's position, before the last LayerNorm: [edge batch d_model]"""


class EdgeRuns:
    """All wanted edges of the examples of two runs."""

    def __init__(
        self,
        operations: LayerOperations,
        graph: Graph,
        runs: TwoRuns,
        wanted: Tensor,
        at_once: int,
    ) -> None:
        """`wanted` is bool [receiver sender]; at most about `at_once` edges run together."""
        self._operations, self._graph, self._runs = operations, graph, runs
        self._wanted, self._at_once = wanted, at_once
        self._last = graph.shape.n_layers - 1

    @torch.no_grad()
    def __iter__(self) -> Iterator[Found]:
        if self._runs.start >= self._runs.stop:
            return
        for layer in range(self._last + 1):
            yield from self._into_heads(layer)
            if not self._graph.shape.attn_only:
                yield from self._into_mlp(layer)
        yield from self._into_logits()

    # ---------------------------------------------------------------- into heads
    def _into_heads(self, layer: int) -> Iterator[Found]:
        n_heads, first = self._graph.shape.n_heads, layer * self._graph.readers
        wanted = self._wanted[first : first + 3 * n_heads].unflatten(0, (3, n_heads))
        senders = wanted.any(0).any(0).nonzero()[:, 0]
        for some in senders.split(max(1, self._at_once // (3 * n_heads))):
            parts = [self._changes(layer, i, some, wanted[i]) for i in range(3)]
            pairs, change = (torch.cat(part) for part in zip(*parts, strict=True))
            for now, z in zip(pairs.split(self._at_once), change.split(self._at_once), strict=True):
                stream = self._after_attention(layer, now[:, 0] % n_heads, z)
                yield Found(first + now[:, 0], now[:, 1], self._free_run(layer, stream))

    def _changes(
        self, layer: int, which: int, senders: Tensor, wanted: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The change of z that wanted edges into one kind of input make in their own head.

        Pairs (receiver within the layer, sender) [edge 2], and changes [edge batch pos d_head].
        """
        n_heads, name = self._graph.shape.n_heads, INPUTS[which]
        senders = senders[wanted[:, senders].any(0)]
        head, column = wanted[:, senders].nonzero().T
        pairs = torch.stack([which * n_heads + head, senders[column]], dim=1)
        z = self._new_z(layer, name, senders) - self._runs.z[layer]
        return pairs, z.permute(3, 0, 1, 2, 4)[head, column]

    def _new_z(self, layer: int, name: Input, senders: Tensor) -> Tensor:
        """z [sender batch pos head d_head] of heads with only q (k, v) from the patched stream."""
        runs, last = self._runs, layer == self._last
        x, start = runs.pre[layer] + runs.change[senders], runs.start
        if last and name == "q":
            x, start = metric_row(runs, x), runs.at
        parts = dict(zip(INPUTS, base_heads(runs, layer, last)[:3], strict=True))
        parts[name] = self._operations.input(layer, name, x, start)
        q, k, v = (part.expand(len(senders), *part.shape[1:]) for part in parts.values())
        own = Heads(q, k, v, runs.start)
        return allowed_from(runs, last).attend(self._operations, layer, own, runs.heads[layer])

    def _after_attention(self, layer: int, heads: Tensor, change: Tensor) -> Tensor:
        """Streams between attention and MLP, where z of one head has changed in each copy."""
        runs, post_norms = self._runs, self._graph.shape.post_norms
        stream = (runs.out if post_norms else runs.mid)[layer].repeat(len(change), 1, 1, 1)
        for head in heads.unique().tolist():
            rows = (heads == head).nonzero()[:, 0]
            stream[rows] += self._operations.write(layer, head, change[rows])
        if not post_norms:
            return stream
        before = metric_row(runs, runs.pre[layer]) if layer == self._last else runs.pre[layer]
        return before + self._operations.written(layer, stream)

    # ---------------------------------------------------------------- into MLPs and logits
    def _into_mlp(self, layer: int) -> Iterator[Found]:
        runs, receiver = self._runs, (layer + 1) * self._graph.readers - 1
        for senders in self._wanted[receiver].nonzero()[:, 0].split(self._at_once):
            change = runs.change[senders]
            if layer == self._last:
                change = metric_row(runs, change)
            (out,) = self._operations.mlp(layer, [runs.reads[layer] + change])
            stream = self._later_layers(layer + 1, runs.mid[layer] + out)
            yield Found(torch.full_like(senders, receiver), senders, stream)

    def _into_logits(self) -> Iterator[Found]:
        receiver = self._graph.n_receivers - 1
        for senders in self._wanted[receiver].nonzero()[:, 0].split(self._at_once):
            change = metric_row(self._runs, self._runs.change[senders])
            stream = self._runs.base + change[:, :, 0]
            yield Found(torch.full_like(senders, receiver), senders, stream)

    # ---------------------------------------------------------------- free runs
    def _free_run(self, layer: int, x: Tensor) -> Tensor:
        """From streams between attention and MLP of a layer to the end: [copies batch d_model]."""
        if self._graph.shape.parallel:
            x = x + self._runs.mlp[layer]
        elif not self._graph.shape.attn_only:
            (out,) = self._operations.mlp(layer, [x])
            x = x + out
        return self._later_layers(layer + 1, x)

    def _later_layers(self, first: int, x: Tensor) -> Tensor:
        stream = Stream(x, self._runs.start, self._runs.allowed)
        for layer in range(first, self._last + 1):
            if layer == self._last:
                own = self._operations.one_query(layer, stream.x, stream.start, self._runs.at)
                stream.keep(self._runs.at)
            else:
                (own,) = self._operations.heads(layer, [(stream.x, stream.start)])
            z = stream.attend(self._operations, layer, own, self._runs.heads[layer])
            before, (out,) = stream.x, self._operations.out(layer, [z])
            stream.x = before + self._operations.written(layer, out)
            if not self._graph.shape.attn_only:
                read = before if self._graph.shape.parallel else stream.x
                stream.x = stream.x + self._operations.mlp(layer, [read])[0]
        return stream.x[:, :, 0]
