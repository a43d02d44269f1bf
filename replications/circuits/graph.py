"""A transformer as a graph: what writes into the residual stream, and what reads from it.

Senders are the embedding (token and position together), the heads and the MLPs. Receivers are the
queries, keys and values of each head apart, the MLPs, and the logits (the last LayerNorm's input).
An edge leads from each sender to each receiver that comes later. Where heads share keys and values,
each still has inputs of its own, as if it had a copy of them:

>>> gpt2 = Shape(n_layers=12, n_heads=12, d_model=768, d_head=64, d_mlp=3072, n_ctx=1024,
...              d_vocab=50257, d_vocab_out=50257, act_fn="gelu_new")
>>> len(Graph(gpt2).edges)
32491
>>> print(Graph(gpt2).edges[-1])
mlp11 -> logits
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens
from replications.models.network import Network
from replications.models.shape import Head, Shape

Kind = Literal["embed", "head", "mlp", "logits"]
Input = Literal["q", "k", "v"]
INPUTS: tuple[Input, ...] = ("q", "k", "v")


@dataclass(frozen=True)
class Node:
    """A part of a model. A head has a layer and a number, an MLP a layer; others have neither."""

    kind: Kind
    layer: int | None = None
    head: int | None = None

    @classmethod
    def of_head(cls, head: Head) -> Node:
        """The node of head (layer, head)."""
        return cls("head", *head)

    @classmethod
    def parse(cls, name: str) -> Node:
        """The node that `str` calls "0.1", "mlp3", "embed" or "logits". BadInput for no node."""
        if name in ("embed", "logits"):
            return cls("embed" if name == "embed" else "logits")
        if found := re.fullmatch(r"mlp(\d+)", name):
            return cls("mlp", int(found[1]))
        if found := re.fullmatch(r"(\d+)\.(\d+)", name):
            return cls("head", int(found[1]), int(found[2]))
        raise BadInput(f"node {name!r}: write a head as '0.1', or 'mlp3', 'embed', 'logits'")

    def __str__(self) -> str:
        if self.kind == "head":
            return f"{self.layer}.{self.head}"
        return self.kind if self.layer is None else f"{self.kind}{self.layer}"


@dataclass(frozen=True)
class Edge:
    """From what a sender writes to what a receiver reads."""

    sender: Node
    receiver: Node
    input: Input | None = None
    """Which input of a head; None for an MLP and the logits."""

    @classmethod
    def parse(cls, name: str) -> Edge:
        """The edge that `str` calls "0.1 -> 2.3.q" or "mlp0 -> logits". BadInput for no edge."""
        sender, arrow, end = name.partition(" -> ")
        if not arrow:
            raise BadInput(f"edge {name!r}: write one as '0.1 -> 2.3.q' or 'mlp0 -> logits'")
        for which in INPUTS:
            if end.endswith(f".{which}"):
                return cls(Node.parse(sender), Node.parse(end[:-2]), which)
        return cls(Node.parse(sender), Node.parse(end))

    def __str__(self) -> str:
        end = str(self.receiver) if self.input is None else f"{self.receiver}.{self.input}"
        return f"{self.sender} -> {end}"


class Graph:
    """All edges of an architecture, with the numbers that senders and receivers have in tensors.

    Senders come in the order embedding, then for each layer its heads and its MLP. Receivers come
    in the order of layers, in each the queries of all heads, their keys, their values, and the MLP;
    the logits are last. Edges are ordered by receiver, then by sender.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.writers = shape.n_heads + (not shape.attn_only)
        """Senders in a layer."""
        self.readers = 3 * shape.n_heads + (not shape.attn_only)
        """Receivers in a layer."""
        self.n_senders = 1 + shape.n_layers * self.writers
        self.n_receivers = shape.n_layers * self.readers + 1

    # ---------------------------------------------------------------- numbers of nodes
    def sender(self, node: Node) -> int:
        """The number of a sender. Raises BadInput for a node that the model lacks."""
        if node.kind == "embed":
            return 0
        return self.first(self._layer(node)) + self._within(node, "sender")

    def receiver(self, node: Node, name: Input | None) -> int:
        """The number of a receiver. Raises BadInput for one that the model lacks."""
        if (node.kind == "head") != (name in INPUTS) or (node.kind != "head" and name is not None):
            raise BadInput(f"{name!r} of {node}: heads have the inputs q, k, v, others have one")
        if node.kind == "logits":
            return self.n_receivers - 1
        first = self._layer(node) * self.readers
        if name is None:
            return first + 2 * self.shape.n_heads + self._within(node, "receiver")
        return first + INPUTS.index(name) * self.shape.n_heads + self._within(node, "receiver")

    def _layer(self, node: Node) -> int:
        if node.layer is None or not 0 <= node.layer < self.shape.n_layers:
            raise BadInput(f"node {node}: the model has {self.shape.n_layers} layers, from 0")
        return node.layer

    def _within(self, node: Node, role: str) -> int:
        if node.kind == "head" and node.head is not None and 0 <= node.head < self.shape.n_heads:
            return node.head
        if node.kind == "mlp" and not self.shape.attn_only:
            return self.shape.n_heads
        raise BadInput(f"node {node} is no {role} of this model")

    def first(self, layer: int, kind: Literal["head", "mlp"] = "head") -> int:
        """The number of a layer's first head, or of its MLP, as senders."""
        return 1 + layer * self.writers + (self.shape.n_heads if kind == "mlp" else 0)

    def before(self, layer: int, kind: Literal["head", "mlp"]) -> int:
        """How many senders come before the heads, or the MLP, of a layer.

        Heads come before the MLP of their own layer, unless both read the same stream.
        """
        return self.first(layer, "head" if self.shape.parallel else kind)

    # ---------------------------------------------------------------- nodes and edges
    @cached_property
    def senders(self) -> tuple[Node, ...]:
        """All senders in order."""
        return (Node("embed"), *(node for layer in self._layers() for node in self._nodes(layer)))

    @cached_property
    def receivers(self) -> tuple[tuple[Node, Input | None], ...]:
        """All receivers in order: a node, and which of its inputs."""
        found: list[tuple[Node, Input | None]] = []
        for layer in self._layers():
            heads = [node for node in self._nodes(layer) if node.kind == "head"]
            found += [(node, name) for name in INPUTS for node in heads]
            found += [(node, None) for node in self._nodes(layer) if node.kind == "mlp"]
        return (*found, (Node("logits"), None))

    def _layers(self) -> range:
        return range(self.shape.n_layers)

    def _nodes(self, layer: int) -> list[Node]:
        heads = [Node("head", layer, head) for head in range(self.shape.n_heads)]
        return heads if self.shape.attn_only else [*heads, Node("mlp", layer)]

    def _reached(self, node: Node) -> int:
        """How many senders come before a receiver."""
        if node.kind == "logits" or node.layer is None:
            return self.n_senders
        return self.before(node.layer, "mlp" if node.kind == "mlp" else "head")

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """All edges, by receiver and then by sender."""
        return tuple(
            Edge(sender, node, name)
            for node, name in self.receivers
            for sender in self.senders[: self._reached(node)]
        )

    @cached_property
    def every(self) -> Tensor:
        """Which sender comes before which receiver: bool [receiver sender]."""
        reached = torch.tensor([self._reached(node) for node, _ in self.receivers])
        return torch.arange(self.n_senders) < reached[:, None]

    def pairs(self, edges: Sequence[Edge]) -> Tensor:
        """Numbers (receiver, sender) of edges: long [edge 2].

        Raises BadInput for an edge that the model lacks.
        """
        found = [(self.receiver(e.receiver, e.input), self.sender(e.sender)) for e in edges]
        table = torch.tensor(found, dtype=torch.long).reshape(-1, 2)
        wrong = (~self.every[table[:, 0], table[:, 1]]).nonzero()
        if len(wrong):
            raise BadInput(f"{edges[int(wrong[0])]}: the sender does not come before the receiver")
        return table

    def mask(self, edges: Iterable[Edge]) -> Tensor:
        """A set of edges: bool [receiver sender]. Raises BadInput for one that the model lacks."""
        receivers, senders = self.pairs(list(edges)).T
        found = torch.zeros_like(self.every)
        found[receivers, senders] = True
        return found

    def of_mask(self, mask: Tensor) -> Iterator[Edge]:
        """The edges of a set bool [receiver sender], in order."""
        for receiver, sender in (mask.cpu() & self.every).nonzero().tolist():
            node, name = self.receivers[receiver]
            yield Edge(self.senders[sender], node, name)

    def out_of(self, nodes: Iterable[Node]) -> Tensor:
        """All edges that leave some nodes: bool [receiver sender].

        Patching them all is patching what these nodes write.
        """
        columns = [self.sender(node) for node in nodes]
        found = torch.zeros_like(self.every)
        found[:, columns] = self.every[:, columns]
        return found


def edges(model: Shape | Lens | Network) -> tuple[Edge, ...]:
    """All edges of a model, by receiver and then by sender."""
    return Graph(model if isinstance(model, Shape) else model.shape).edges
