"""What each layer computes position by position, for several sets of streams in one product."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from replications.patching._engine.gemm import Linear, Packed

ROWS = 1024
"""The most rows of an MLP at once on a CPU, so that their neurons stay in its cache."""


class Heads(NamedTuple):
    """What heads attend with, each [copies batch pos head d_head]."""

    q: Tensor
    k: Tensor
    v: Tensor
    start: int
    """Position of the first key. Earlier keys and values are those of another stream."""

    def some(self, heads: Tensor) -> Heads:
        """Some of the heads."""
        q, k, v = (part[..., heads, :] for part in self[:3])
        return Heads(q, k, v, self.start)


class LayerOperations:
    """The linear maps, LayerNorms and MLPs of residual streams [copies batch pos d_model]."""

    def __init__(self, packed: Packed) -> None:
        self.network = packed.network
        self.flops = 0
        """Arithmetic so far: 2 for each multiplication with an addition, of matrices alone."""
        self._layers = packed.layers

    def one_query(self, layer: int, x: Tensor, start: int, at: int) -> Heads:
        """Keys and values of all positions of a stream, and the query of position `at` alone."""
        row = x[:, :, at - start : at - start + 1]
        k, v = (self.input(layer, name, x, start) for name in "kv")
        return Heads(self.input(layer, "q", row, at), k, v, start)

    def heads(self, layer: int, parts: Sequence[tuple[Tensor, int]]) -> list[Heads]:
        """q, k and v of streams, each given with its first position."""
        network = self.network
        stream = _rows([x for x, _ in parts])
        x = placed = network.norm("ln1", layer, stream)
        if network.shape.positions == "shortformer":
            reached = [
                network.W_pos[first : first + part.shape[2]].expand_as(part)
                for part, first in parts
            ]
            placed = x + _rows(reached)
        linears = self._layers[layer]
        size = (-1, network.shape.d_head)
        split = [
            _apart(self._product(linear, rows).unflatten(-1, size), [part for part, _ in parts])
            for linear, rows in ((linears.q, placed), (linears.k, placed), (linears.v, x))
        ]
        found = []
        for i, (_, first) in enumerate(parts):
            where = _positions(split[0][i], first)
            q, k, v = (
                self._attended(layer, name, part[i], where)
                for name, part in zip("qkv", split, strict=True)
            )
            found.append(Heads(q, k, v, first))
        return found

    def _attended(self, layer: int, name: str, x: Tensor, positions: Tensor) -> Tensor:
        """q, k or v as attention takes them: compared by scores, and one for each head."""
        network = self.network
        if name != "v":
            x = network.compared(name, layer, x, positions)
        return x if name == "q" else network.shared(x)

    def input(self, layer: int, name: str, x: Tensor, start: int) -> Tensor:
        """q, k or v (`name`) of all heads: [copies batch pos head d_head].

        `start` is the first position of the streams x [copies batch pos d_model].
        """
        network = self.network
        x = network.norm("ln1", layer, x)
        if network.shape.positions == "shortformer" and name != "v":
            x = x + network.W_pos[start : start + x.shape[2]]
        found = self._product(getattr(self._layers[layer], name), x.flatten(0, 2))
        found = found.unflatten(-1, (-1, network.shape.d_head)).unflatten(0, x.shape[:3])
        return self._attended(layer, name, found, _positions(found, start))

    def some_heads(
        self, layer: int, name: str, heads: Tensor, x: Tensor, positions: Tensor
    ) -> Tensor:
        """q, k or v (`name`) of some heads: [copies batch pos head d_head]."""
        network = self.network
        if name != "q":
            heads = heads // (network.shape.n_heads // network.shape.key_value_heads)
        W: Tensor
        b: Tensor
        W, b = (getattr(network, f"{kind}_{name.upper()}")[layer, heads] for kind in "Wb")
        x = network.norm("ln1", layer, x)
        if network.shape.positions == "shortformer" and name != "v":
            x = x + network.W_pos[positions]
        found = self._einsum("cbpd,hdk->cbphk", x, W) + b
        return found if name == "v" else network.compared(name, layer, found, positions)

    def scores(self, layer: int, own: Heads, before: Heads) -> Tensor:
        """Scaled scores of queries with all keys: [copies batch head query key].

        The keys before `own.start` are those of the one stream `before`, the same for all copies.
        """
        keys = before.k[0, :, : own.start]
        parts = [
            self._einsum("cbqhd,bkhd->cbhqk", own.q, keys),
            self._einsum("cbqhd,cbkhd->cbhqk", own.q, own.k),
        ]
        return self.network.scaled(layer, torch.cat(parts, dim=-1))

    def mixed(self, pattern: Tensor, own: Heads, before: Heads) -> Tensor:
        """z [copies batch pos head d_head] of a pattern [copies batch head query key]."""
        values = before.v[0, :, : own.start]
        z = self._einsum("cbhqk,cbkhd->cbqhd", pattern[..., own.start :], own.v)
        return z + self._einsum("cbhqk,bkhd->cbqhd", pattern[..., : own.start], values)

    # ---------------------------------------------------------------- what is written
    def product(self, layer: int, heads: Sequence[int], z: Tensor) -> Tensor:
        """z [batch pos head d_head] of some heads, each by its W_O: [head batch pos d_model].

        Without the bias, and before any norm of what is written.
        """
        W_O = self.network.W_O[layer]
        return self._einsum("bphk,hkd->hbpd", z, W_O if len(heads) == len(W_O) else W_O[heads])

    def changes(self, layer: int, z: tuple[Tensor, Tensor], outs: tuple[Tensor, Tensor]) -> Tensor:
        """How much more each head writes in the second of two runs: [head batch pos d_model].

        `z` are [batch pos head d_head], `outs` what attention gives before it is written.
        """
        heads = range(self.network.shape.n_heads)
        if not self.network.shape.post_norms:
            return self.product(layer, heads, z[1] - z[0])
        ours, theirs = (
            self.product(layer, heads, part) * self.network.post_scale(layer, out)
            for part, out in zip(z, outs, strict=True)
        )
        return theirs - ours

    def write(self, layer: int, head: int, z: Tensor) -> Tensor:
        """z [… d_head] of one head by its W_O: [… d_model]."""
        W_O = self.network.W_O[layer, head]
        self.flops += 2 * z.numel() * W_O.shape[1]
        return z @ W_O

    def out(self, layer: int, z: Sequence[Tensor]) -> list[Tensor]:
        """Attention's outputs of z [copies batch pos head d_head], before they are written."""
        rows = _rows([part.flatten(-2) for part in z])
        return _apart(self._product(self._layers[layer].o, rows), [part[..., 0] for part in z])

    def written(self, layer: int, out: Tensor) -> Tensor:
        """What is added to the stream of an output of attention."""
        return self.network.written("ln1", layer, out)

    def mlp(self, layer: int, parts: Sequence[Tensor]) -> list[Tensor]:
        """What the MLP writes that reads the streams x."""
        rows, linears = _rows(parts), self._layers[layer]
        found = []
        for some in rows.split(ROWS if rows.device.type == "cpu" else len(rows)):
            x = self.network.norm("ln2", layer, some)
            up = self._product(linears.up, x)
            if linears.gate is not None:
                up = self._product(linears.gate, x).mul_(up)
            found.append(self._product(linears.down, up))
        out = found[0] if len(found) == 1 else torch.cat(found)
        return _apart(self.network.written("ln2", layer, out), parts)

    def _product(self, linear: Linear, rows: Tensor) -> Tensor:
        self.flops += len(rows) * linear.flops_per_row
        return linear(rows)

    def _einsum(self, equation: str, a: Tensor, b: Tensor) -> Tensor:
        sizes = dict(
            zip(equation.replace(",", "").split("->")[0], [*a.shape, *b.shape], strict=True)
        )
        self.flops += 2 * math.prod(sizes.values())
        return torch.einsum(equation, a, b)


def _positions(x: Tensor, start: int) -> Tensor:
    """Of x [copies batch pos head d_head]: long [pos]."""
    return torch.arange(start, start + x.shape[2], device=x.device)


def _rows(parts: Sequence[Tensor]) -> Tensor:
    rows = [part.flatten(0, -2) for part in parts]
    return rows[0].contiguous() if len(rows) == 1 else torch.cat(rows)


def _apart(rows: Tensor, parts: Sequence[Tensor]) -> list[Tensor]:
    """Rows of all parts, in the shapes of the parts except for the last axis."""
    sizes = [part.shape[:-1] for part in parts]
    found = rows.split([size.numel() for size in sizes])
    return [part.unflatten(0, size) for part, size in zip(found, sizes, strict=True)]
