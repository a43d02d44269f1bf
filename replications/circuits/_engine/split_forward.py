"""A forward pass in which every receiver has an input of its own.

All receivers of a layer read the same residual stream, unless something is added to what some of
them read. What that is decides an `Inputs`: the change of patched edges (`PatchedEdges`), or zeros
whose gradients are wanted (`Leaves`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from replications.circuits.graph import INPUTS, Graph
from replications.patching._engine.layer_operations import Heads, LayerOperations
from replications.patching._engine.streams import Stream, embedded


class Inputs(Protocol):
    """What is added to the stream for each receiver."""

    def into(self, receivers: slice) -> Tensor | None:
        """[copies receiver batch pos d_model], or None where nothing is added."""

    def wrote(self, first: int, out: Tensor) -> None:
        """Told what the senders from number `first` on write: [copies sender batch pos d_model]."""


class SplitForward:
    """Forward passes of some examples, of the positions in a window."""

    def __init__(
        self, operations: LayerOperations, graph: Graph, tokens: Tensor, start: int, stop: int
    ) -> None:
        """`tokens` are [batch pos]; before `start` every pass is the plain run of them.

        Positions from `stop` on are left out, which no causal model notices.
        """
        self._operations, self._graph = operations, graph
        self._network, self.start = operations.network, start
        self._prefix = self._heads_before(tokens[:, :start]) if start else None
        self._stream = embedded(self._network, tokens[:, :stop], start)

    def _heads_before(self, tokens: Tensor) -> list[Heads]:
        """q, k and v of the plain run in each layer, one copy."""
        stream, found = embedded(self._network, tokens), []
        for layer in range(self._graph.shape.n_layers):
            q, k, v = self._read(layer, stream, None)
            found.append(Heads(q, k, v, 0))
            z = stream.attend(self._operations, layer, found[-1], found[-1])
            before = stream.x
            stream.x = before + self._written(layer, z)[1]
            if not self._graph.shape.attn_only:
                read = before if self._graph.shape.parallel else stream.x
                stream.x = stream.x + self._network.mlp(layer, read)
        return found

    @property
    def embedding(self) -> Tensor:
        """What the embedding writes in the window: [batch pos d_model]"""
        return self._stream.x[0]

    def run(self, inputs: Inputs, embedding: Tensor | None = None) -> Tensor:
        """The final stream, before the last LayerNorm: [copies batch pos d_model].

        `embedding` [batch pos d_model] takes the place of the tokens' own.
        """
        x = self.embedding if embedding is None else embedding
        stream = Stream(x[None], self.start, self._stream.allowed)
        inputs.wrote(0, x[None, None])
        for layer in range(self._graph.shape.n_layers):
            self._layer(layer, stream, inputs)
        return self._plus(stream.x, inputs, self._graph.n_receivers - 1)

    def _plus(self, x: Tensor, inputs: Inputs, receiver: int) -> Tensor:
        """What one receiver reads of streams x."""
        added = inputs.into(slice(receiver, receiver + 1))
        return x if added is None else x + added[:, 0]

    # ---------------------------------------------------------------- one layer
    def _layer(self, layer: int, stream: Stream, inputs: Inputs) -> None:
        graph, first = self._graph, layer * self._graph.readers
        added = inputs.into(slice(first, first + 3 * graph.shape.n_heads))
        q, k, v = self._read(layer, stream, added)
        own = Heads(q, k, v, self.start)
        before = own if self._prefix is None else self._prefix[layer]
        z = stream.attend(self._operations, layer, own, before)
        written, attended = self._written(layer, z)
        mlp, after = first + graph.readers - 1, stream.x + attended
        if graph.shape.parallel:
            # Asked for before the heads of this layer have written: no edge leads from them.
            read = self._plus(stream.x, inputs, mlp)
        inputs.wrote(graph.first(layer), written)
        if not graph.shape.attn_only:
            if not graph.shape.parallel:
                read = self._plus(after, inputs, mlp)
            out = self._network.mlp(layer, read)
            inputs.wrote(graph.first(layer, "mlp"), out[:, None])
            after = after + out
        stream.x = after

    def _read(self, layer: int, stream: Stream, added: Tensor | None) -> list[Tensor]:
        """q, k and v: [copies batch pos head d_head]. `added` is [copies 3·head batch pos d]."""
        network = self._network
        x = stream.x[:, None] if added is None else stream.x[:, None] + added
        x = network.norm("ln1", layer, x)
        parts = (x, x, x) if added is None else x.chunk(3, dim=1)
        if network.shape.positions == "shortformer":
            placed = network.W_pos[stream.start : stream.start + x.shape[-2]]
            parts = (parts[0] + placed, parts[1] + placed, parts[2])
        equation = "cbpd,hdk->cbphk" if added is None else "chbpd,hdk->cbphk"
        positions = torch.arange(stream.start, stream.start + x.shape[-2], device=x.device)
        found = []
        for name, part in zip(INPUTS, parts, strict=True):
            W, b = network.head_input(name, layer)
            value = torch.einsum(equation, part[:, 0] if added is None else part, W) + b
            if name != "v":
                value = network.compared(name, layer, value, positions)
            found.append(value)
        return found

    def _written(self, layer: int, z: Tensor) -> tuple[Tensor, Tensor]:
        """What each head adds to the stream, and what attention does, with its bias.

        [copies head batch pos d_model] and [copies batch pos d_model]
        """
        network = self._network
        written = torch.einsum("cbphk,hkd->chbpd", z, network.W_O[layer])
        out = written.sum(1) + network.b_O[layer]
        if not network.shape.post_norms:
            return written, out
        scale = network.post_scale(layer, out)
        return written * scale[:, None], out * scale


@dataclass
class Writings:
    """Keeps what senders write, and adds nothing."""

    parts: list[Tensor] = field(default_factory=list)

    def into(self, receivers: slice) -> None:
        return None

    def wrote(self, first: int, out: Tensor) -> None:
        self.parts.append(out[0])

    @property
    def all(self) -> Tensor:
        """[sender batch pos d_model]"""
        return torch.cat(self.parts)


class PatchedEdges:
    """Adds, for each receiver, what its patched senders would write less what they do write.

    One copy for each set of edges. Until the first receiver that is patched in any of them, all
    copies are one.
    """

    def __init__(self, sets: Tensor, source: Tensor, ablated_at: Tensor | None = None) -> None:
        """`sets` are bool [set receiver sender], `source` is [sender batch|1 pos d_model].

        `ablated_at`, bool [sender batch|1 pos], is where all other edges are patched as well.
        """
        self._sets = sets.to(source.dtype)
        self._source = source
        self._ablated_at = ablated_at
        self._changes: list[tuple[int, Tensor]] = []

    def into(self, receivers: slice) -> Tensor | None:
        found: Tensor | None = None
        for first, change in self._changes:
            some = slice(first, first + change.shape[1])
            share = self._sets[:, receivers, some]
            parts = [(share, change)]
            if self._ablated_at is not None:
                parts.append((1 - share, change * self._ablated_at[some, :, :, None]))
            for weight, part in parts:
                if weight.any() and part.any():
                    added = torch.einsum("crs,csbpd->crbpd", weight, part)
                    found = added if found is None else found.add_(added)
        return found

    def wrote(self, first: int, out: Tensor) -> None:
        self._changes.append((first, self._source[first : first + out.shape[1]] - out))


class Leaves:
    """Adds zeros whose gradients are those of each receiver's input."""

    def __init__(self) -> None:
        self.added: list[Tensor] = []
        """[1 receiver batch pos d_model] each, in the order of receivers."""
        self._like = torch.empty(0)

    def into(self, receivers: slice) -> Tensor:
        _, _, *size = self._like.shape
        leaf = self._like.new_zeros(1, receivers.stop - receivers.start, *size)
        self.added.append(leaf.requires_grad_())
        return leaf

    def wrote(self, first: int, out: Tensor) -> None:
        self._like = out.detach()


def at_metric(stream: Tensor, at: Tensor, start: int) -> Tensor:
    """Each example's row at its metric position: [copies batch d_model]."""
    rows = torch.arange(stream.shape[1], device=stream.device)
    return stream[:, rows, (at.to(stream.device) - start)]


def gradients(leaves: Sequence[Tensor], metric: Tensor) -> Tensor:
    """The derivative of the metric by each receiver's input: [receiver batch pos d_model]."""
    return torch.cat([part[0] for part in torch.autograd.grad(metric.sum(), leaves)])
