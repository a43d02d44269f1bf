"""The base run and the source run, side by side, with what every edge of the graph needs of them.

Of both runs only the window of positions matters that may differ between them and that the metric
sees. In the last layer that is the metric's position alone, except for keys and values.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from replications.circuits.graph import Graph
from replications.patching._engine.layer_operations import Heads, LayerOperations
from replications.patching._engine.streams import Stream, changed_window, embedded


class TwoRuns:
    """Both runs of some examples that share their metric position."""

    def __init__(
        self, operations: LayerOperations, graph: Graph, base: Tensor, source: Tensor, at: int
    ) -> None:
        """`base` and `source` are tokens [batch pos]; the metric is read at position `at`."""
        network = operations.network
        causal = network.shape.attention == "causal"
        self.at = at
        self.start, self.stop = changed_window(base, source, at) if causal else (0, base.shape[1])
        """The window; empty if the metric does not see what differs."""
        self._operations, self._graph, self._last = operations, graph, network.shape.n_layers - 1
        base, source = base[:, : self.stop], source[:, : self.stop]
        # The source run keeps its metric position, whatever is equal, for its own metric.
        self._base = embedded(network, base)
        self._source = embedded(network, source, min(self.start, at))
        self.allowed = self._base.allowed
        self.pre: list[Tensor] = []
        """The base run before each layer, in the window: [1 batch pos d_model]"""
        self.mid: list[Tensor] = []
        """The same between attention and MLP; in the last layer, of the metric's position."""
        self.heads: list[Heads] = []
        """q, k and v of the base run in each layer, at all positions."""
        self.reads: list[Tensor] = []
        """What the MLP reads: `mid`, or what attention reads, at the same positions."""
        self.out: list[Tensor] = []
        """Attention's output before it is written: as `mid`; kept where a norm follows it."""
        self.mlp: list[Tensor] = []
        """What the MLP writes: as `mid`; kept where it does not read what attention writes."""
        self.z: list[Tensor] = []
        """[1 batch pos head d_head], in the window; in the last layer, of the metric's position."""
        size = (graph.n_senders, len(base), self.stop - self.start, network.shape.d_model)
        self.change = network.W_E.new_zeros(size)
        """What each sender would write less what it writes: [sender batch pos d_model]

        In the last layer, at the metric's position alone.
        """
        self._run()

    @property
    def base(self) -> Tensor:
        """The base run at the metric's position, before the last LayerNorm: [batch d_model]"""
        return self._base.x[0, :, 0]

    @property
    def source(self) -> Tensor:
        """The source run there: [batch d_model]"""
        return self._source.x[0, :, 0]

    def _run(self) -> None:
        self.change[0] = self._inside(self._source)[0] - self._inside(self._base)[0]
        for layer in range(self._last + 1):
            self.pre.append(self._inside(self._base))
            before = self._attention(layer)
            self.mid.append(self._inside(self._base))
            after = [stream.x for stream in self._streams]
            self.reads.append(self._of_base(before[0]) if self._parallel else self.mid[-1])
            if not self._graph.shape.attn_only:
                self._mlp(layer, before if self._parallel else after)

    @property
    def _streams(self) -> tuple[Stream, Stream]:
        return self._base, self._source

    @property
    def _parallel(self) -> bool:
        return self._graph.shape.parallel

    def _inside(self, stream: Stream) -> Tensor:
        """The rows of a stream in the window."""
        return stream.x[:, :, max(self.start - stream.start, 0) :]

    def _of_base(self, x: Tensor) -> Tensor:
        """Those rows of the base run's x that are in the window."""
        return x[:, :, max(self.start - self._base.start, 0) :]

    def _attention(self, layer: int) -> list[Tensor]:
        """Attention of both runs; returns the streams that it was added to."""
        streams = self._streams
        heads = self._operations.heads(layer, [(s.x, s.start) for s in streams])
        self.heads.append(heads[0])
        if layer == self._last:
            heads = [s.narrow(own, self.at) for s, own in zip(streams, heads, strict=True)]
        before = [stream.x for stream in streams]
        z = [
            s.attend(self._operations, layer, own, self.heads[-1])
            for s, own in zip(streams, heads, strict=True)
        ]
        outs = self._operations.out(layer, z)
        ours, theirs = self._shared_rows(z)
        self.z.append(ours)
        if self._graph.shape.post_norms:
            self.out.append(self._of_base(outs[0]))
        low, high = self._shared_rows(outs)
        changes = self._operations.changes(layer, (ours[0], theirs[0]), (low[0], high[0]))
        self._send(self._graph.first(layer), changes)
        for stream, out in zip(streams, outs, strict=True):
            stream.x = stream.x + self._operations.written(layer, out)
        return before

    def _shared_rows(self, parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Both runs' rows at the last positions, as many as the source run has in the window."""
        rows = parts[1].shape[2] if self.start < self.stop else 0
        ours, theirs = (part[:, :, part.shape[2] - rows :] for part in parts)
        return ours, theirs

    def _mlp(self, layer: int, reads: Sequence[Tensor]) -> None:
        outs = self._operations.mlp(layer, reads)
        ours, theirs = self._shared_rows(outs)
        if self._parallel:
            self.mlp.append(self._of_base(outs[0]))
        self._send(self._graph.first(layer, "mlp"), theirs - ours)
        for stream, out in zip(self._streams, outs, strict=True):
            stream.x = stream.x + out

    def _send(self, first: int, change: Tensor) -> None:
        """Keep the change [sender batch pos d_model] of the senders from number `first` on."""
        rows = change.shape[2]
        if rows == self.change.shape[2]:
            self.change[first : first + len(change)] = change
        else:
            row = slice(self.at - self.start, self.at - self.start + 1)
            self.change[first : first + len(change), :, row] = change


def metric_row(runs: TwoRuns, x: Tensor) -> Tensor:
    """The metric's row of x [copies batch pos …], whose positions are the window's."""
    row = runs.at - runs.start
    return x[:, :, row : row + 1]


def base_heads(runs: TwoRuns, layer: int, last: bool) -> Heads:
    """The base run's q, k and v in the window; in the last layer, q of the metric's position."""
    own = runs.heads[layer]
    q, k, v = (part[:, :, runs.start :] for part in own[:3])
    return Heads(metric_row(runs, q) if last else q, k, v, runs.start)


def allowed_from(runs: TwoRuns, last: bool) -> Stream:
    """A stream without rows of its own that masks scores of the window's queries."""
    return Stream(torch.empty(0), runs.at if last else runs.start, runs.allowed)
