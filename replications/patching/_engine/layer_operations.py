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
        size = (network.shape.n_heads, network.shape.d_head)
        split = [
            _apart(self._product(linear, rows).unflatten(-1, size), [part for part, _ in parts])
            for linear, rows in ((linears.q, placed), (linears.k, placed), (linears.v, x))
        ]
        q, k, v = split
        return [Heads(q[i], k[i], v[i], first) for i, (_, first) in enumerate(parts)]

    def input(self, layer: int, name: str, x: Tensor, start: int) -> Tensor:
        """q, k or v (`name`) of all heads: [copies batch pos head d_head].

        `start` is the first position of the streams x [copies batch pos d_model].
        """
        network = self.network
        x = network.norm("ln1", layer, x)
        if network.shape.positions == "shortformer" and name != "v":
            x = x + network.W_pos[start : start + x.shape[2]]
        found = self._product(getattr(self._layers[layer], name), x.flatten(0, 2))
        size = (*x.shape[:3], network.shape.n_heads, network.shape.d_head)
        return found.view(size)

    def some_heads(
        self, layer: int, name: str, heads: Tensor, x: Tensor, positions: Tensor
    ) -> Tensor:
        """q, k or v (`name`) of some heads: [copies batch pos head d_head]."""
        W: Tensor
        b: Tensor
        W, b = (getattr(self.network, f"{kind}_{name.upper()}")[layer, heads] for kind in "Wb")
        x = self.network.norm("ln1", layer, x)
        if self.network.shape.positions == "shortformer" and name != "v":
            x = x + self.network.W_pos[positions]
        return self._einsum("cbpd,hdk->cbphk", x, W) + b

    def scores(self, own: Heads, before: Heads) -> Tensor:
        """Scaled scores of queries with all keys: [copies batch head query key].

        The keys before `own.start` are those of the one stream `before`, the same for all copies.
        """
        keys = before.k[0, :, : own.start]
        parts = [
            self._einsum("cbqhd,bkhd->cbhqk", own.q, keys),
            self._einsum("cbqhd,cbkhd->cbhqk", own.q, own.k),
        ]
        return torch.cat(parts, dim=-1) / math.sqrt(own.q.shape[-1])

    def mixed(self, pattern: Tensor, own: Heads, before: Heads) -> Tensor:
        """z [copies batch pos head d_head] of a pattern [copies batch head query key]."""
        values = before.v[0, :, : own.start]
        z = self._einsum("cbhqk,cbkhd->cbqhd", pattern[..., own.start :], own.v)
        return z + self._einsum("cbhqk,bkhd->cbqhd", pattern[..., : own.start], values)

    def written(self, layer: int, heads: Sequence[int], z: Tensor) -> Tensor:
        """What z [batch pos head d_head] of some heads adds to the stream, without the bias.

        [head batch pos d_model]
        """
        W_O = self.network.W_O[layer]
        return self._einsum("bphk,hkd->hbpd", z, W_O if len(heads) == len(W_O) else W_O[heads])

    def write(self, layer: int, head: int, z: Tensor) -> Tensor:
        """What z [… d_head] of one head adds to the stream, without the bias: [… d_model]."""
        W_O = self.network.W_O[layer, head]
        self.flops += 2 * z.numel() * W_O.shape[1]
        return z @ W_O

    def out(self, layer: int, z: Sequence[Tensor]) -> list[Tensor]:
        """Attention's outputs of z [copies batch pos head d_head]."""
        rows = _rows([part.flatten(-2) for part in z])
        return _apart(self._product(self._layers[layer].o, rows), [part[..., 0] for part in z])

    def mlp(self, layer: int, parts: Sequence[Tensor]) -> list[Tensor]:
        """The MLP's outputs for streams after attention."""
        up, down = self._layers[layer].up, self._layers[layer].down
        rows = _rows(parts)
        found = [
            self._product(down, self._product(up, self.network.norm("ln2", layer, some)))
            for some in rows.split(ROWS if rows.device.type == "cpu" else len(rows))
        ]
        return _apart(found[0] if len(found) == 1 else torch.cat(found), parts)

    def _product(self, linear: Linear, rows: Tensor) -> Tensor:
        self.flops += len(rows) * linear.flops_per_row
        return linear(rows)

    def _einsum(self, equation: str, a: Tensor, b: Tensor) -> Tensor:
        sizes = dict(
            zip(equation.replace(",", "").split("->")[0], [*a.shape, *b.shape], strict=True)
        )
        self.flops += 2 * math.prod(sizes.values())
        return torch.einsum(equation, a, b)


def _rows(parts: Sequence[Tensor]) -> Tensor:
    rows = [part.flatten(0, -2) for part in parts]
    return rows[0].contiguous() if len(rows) == 1 else torch.cat(rows)


def _apart(rows: Tensor, parts: Sequence[Tensor]) -> list[Tensor]:
    """Rows of all parts, in the shapes of the parts except for the last axis."""
    sizes = [part.shape[:-1] for part in parts]
    found = rows.split([size.numel() for size in sizes])
    return [part.unflatten(0, size) for part, size in zip(found, sizes, strict=True)]
