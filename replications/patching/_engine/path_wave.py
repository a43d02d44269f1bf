"""Path patching in one layer-by-layer pass that carries everything together.

Four sets of residual streams go through the layers side by side, so that each layer's weights are
read once: the base run; the source run, from the first token that differs; the shift that the
senders make in the stream along their frozen path, at the path's end positions only; and, from the
first layer with patched heads on, a free run of every sender that reaches them.

What is left out is left out exactly. A frozen path has no attention, so its positions do not see
one another. Before a sender's first layer nothing is shifted. Before the first patched head, and
before the first patched position of a causal model, a free run is the base run.

An example: a causal model of three layers; prompts of five tokens that differ from position 1 on,
the metric read at position 4; senders 0.0 and 1.0, the receiver the keys of head 2.1 at positions 2
and 4. Position 0 is never computed for the source run. The shift is [sender batch position] with
positions 2 and 4: sender 0.0 fills its row in layer 0, sender 1.0 in layer 1, and MLPs move both.
Layers 0 and 1 have no free runs. In layer 2 both senders begin one, as copies of the base run from
position 2 on, in which the keys of head 2.1 at positions 2 and 4 are those of the shifted stream.
It ends with the metric's position alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from replications.models.shape import Head
from replications.patching._engine.layer_operations import Heads, LayerOperations
from replications.patching._engine.streams import Stream, changed_window, embedded


@dataclass(frozen=True)
class Paths:
    """Which paths are patched. They are the same for every example."""

    senders: Sequence[Sequence[Head]]
    """In the order of their first layers."""
    end: Literal["logits", "q", "k", "v"]
    targets: Mapping[int, Sequence[int]]
    """The heads whose q, k or v are patched, by layer; none for the logits."""
    mlps: Literal["frozen", "recomputed"]
    softmax: Literal["exact", "linear", "frozen"]

    def before(self, layer: int) -> int:
        """How many senders have a head before this layer; they are the first ones."""
        return sum(min(sender)[0] < layer for sender in self.senders)

    def passes(self, layer: int) -> bool:
        """Whether what this layer writes may still reach an end."""
        return not self.targets or layer < max(self.targets)

    def sent_from(self, layer: int) -> list[tuple[int, int]]:
        """(number of the sender, head) for each head of this layer that sends."""
        numbered = enumerate(self.senders)
        return [(i, head) for i, sender in numbered for at, head in sender if at == layer]


@dataclass(frozen=True)
class FinalStreams:
    """Residual streams at the metric position, before the last LayerNorm."""

    changed: Tensor
    """[sender batch d_model], for the senders that reach an end; they are the first ones."""
    base: Tensor
    """[batch d_model]"""
    source: Tensor
    """[batch d_model]"""


class PathWave:
    """A pass for examples that share their metric position and the end positions of the paths."""

    def __init__(
        self,
        operations: LayerOperations,
        paths: Paths,
        base: Tensor,
        source: Tensor,
        at: int,
        chosen: Sequence[int],
    ) -> None:
        """`base` and `source` are tokens [batch pos], `chosen` the paths' end positions."""
        self._network, self._operations, self._at = operations.network, operations, at
        self._paths = paths
        causal = self._network.shape.attention == "causal"
        start, self._stop = changed_window(base, source, at) if causal else (0, base.shape[1])
        changed = [p for p in chosen if start <= p < self._stop]
        if not changed:
            self._paths = paths = replace(paths, senders=())
        self._chosen = torch.tensor(changed, dtype=torch.long, device=base.device)
        base, source = base[:, : self._stop], source[:, : self._stop]
        self._base = embedded(self._network, base)
        # The source run keeps its metric position, whatever is equal, for its own metric.
        self._source = embedded(self._network, source, min(start, at))
        first = min(changed, default=at) if causal else 0
        nothing = self._base.x[:0]
        self._free = Stream(nothing[:, :, first:], first, self._base.allowed)
        size = (len(paths.senders), len(base), len(changed), nothing.shape[-1])
        self._shift = nothing.new_zeros(size)

    @torch.no_grad()
    def run(self) -> FinalStreams:
        """Go through all layers, once."""
        for layer in range(self._network.shape.n_layers):
            self._layer(layer)
        base, source = self._base.x[0, :, 0], self._source.x[0, :, 0]
        changed = self._free.x[:, :, 0]
        if not self._paths.targets:
            # The paths end at the metric position alone.
            changed = base + self._shift.sum(2)
        return FinalStreams(changed, base, source)

    # ---------------------------------------------------------------- one layer
    def _layer(self, layer: int) -> None:
        streams = (self._base, self._source, self._free)
        heads = self._operations.heads(layer, [(s.x, s.start) for s in streams])
        if layer in self._paths.targets:
            heads[2] = self._patched(layer, heads[0], heads[2])
        if layer == self._network.shape.n_layers - 1:
            heads = [s.narrow(own, self._at) for s, own in zip(streams, heads, strict=True)]
        z = [
            s.attend(self._operations, layer, own, heads[0])
            for s, own in zip(streams, heads, strict=True)
        ]
        if layer in self._paths.targets and self._paths.softmax != "exact":
            self._linearise(layer, heads[0], heads[2], z[2])
        outs = self._operations.out(layer, z)
        shape = self._network.shape
        # An MLP that reads what attention reads must come before attention writes.
        early = self._mlp(layer, streams, before=layer) if shape.parallel else []
        self._send(layer, z[0], z[1], outs[0])
        for stream, out in zip(streams, outs, strict=True):
            stream.x = stream.x + self._operations.written(layer, out)
        late = [] if shape.parallel or shape.attn_only else self._mlp(layer, streams, layer + 1)
        for stream, out in zip(streams, [*early, *late], strict=False):
            stream.x = stream.x + out

    def _patched(self, layer: int, base: Heads, free: Heads) -> Heads:
        """q, k, v of the free runs, with those of the patched heads overwritten.

        Senders that reach no head of an earlier layer start their free runs here.
        """
        start, count = self._free.start, self._paths.before(layer)
        fresh = count - len(self._free.x)
        x, q, k, v = (
            torch.cat([part, same[:, :, start:].expand(fresh, *same[0, :, start:].shape)])
            for part, same in zip((self._free.x, *free[:3]), (self._base.x, *base[:3]), strict=True)
        )
        self._free.x, free = x, Heads(q, k, v, start)
        ends = self._index(self._paths.targets[layer])
        seen = self._base.x[:, :, self._chosen] + self._shift[:count]
        new = self._operations.some_heads(layer, self._paths.end, ends, seen, self._chosen)
        getattr(free, self._paths.end)[:, :, (self._chosen - start)[:, None], ends] = new
        return free

    def _linearise(self, layer: int, base: Heads, free: Heads, z: Tensor) -> None:
        """Overwrite z of the patched heads, with patterns to first order in their scores.

        With a frozen softmax the patterns are those of the base run.
        """
        ends = self._index(self._paths.targets[layer])
        base, free = base.some(ends), free.some(ends)
        queries = base.q[:, :, self._free.start - self._base.start :]
        old = self._operations.scores(layer, base._replace(q=queries), base)
        pattern = self._free.pattern(layer, old)
        if self._paths.softmax == "linear":
            change = self._operations.scores(layer, free, base) - old
            # The derivative of a softmax: p_k (ds_k - sum of p ds).
            pattern = pattern * (1 + change - (pattern * change).sum(-1, keepdim=True))
        pattern = pattern.expand(len(z), -1, -1, -1, -1)
        z[:, :, :, ends] = self._operations.mixed(pattern, free, base)

    def _send(self, layer: int, z: Tensor, source_z: Tensor, out: Tensor) -> None:
        """Shift the streams by what the senders of this layer would write instead.

        `out` is the base run's output of attention, before it is written.
        """
        sent = self._paths.sent_from(layer)
        if not sent or not self._paths.passes(layer):
            return
        heads = sorted({head for _, head in sent})
        change = (
            source_z[0, :, self._chosen - self._source.start][:, :, heads]
            - z[0, :, self._chosen - self._base.start][:, :, heads]
        )
        products = self._operations.product(layer, heads, change)
        who, what = zip(*((i, heads.index(head)) for i, head in sent), strict=True)
        if not self._network.shape.post_norms:
            self._shift.index_add_(0, self._index(who), products[self._index(what)])
            return
        changed = torch.zeros_like(self._shift)
        changed.index_add_(0, self._index(who), products[self._index(what)])
        own = out[0, :, self._chosen - self._base.start]
        written = self._operations.written(layer, own + changed)
        self._shift += written - self._operations.written(layer, own)

    def _mlp(self, layer: int, streams: Sequence[Stream], before: int) -> list[Tensor]:
        """What the MLP writes in each stream; the shift by layers before `before` goes through it.

        It is shifted in turn, unless MLPs are frozen.
        """
        parts = [stream.x for stream in streams]
        recomputed = self._paths.mlps == "recomputed" and self._paths.passes(layer)
        if recomputed:
            live = self._shift[: self._paths.before(before)]
            own = self._chosen - self._base.start
            parts.append(self._base.x[:, :, own] + live)
        outs = self._operations.mlp(layer, parts)
        if recomputed:
            live += outs.pop() - outs[0][:, :, own]
        return outs

    def _index(self, values: Sequence[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._chosen.device)
