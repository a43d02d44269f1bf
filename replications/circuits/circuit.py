"""A circuit as a set of edges, and circuits of the edges with the largest effects."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.circuits.graph import Edge, Graph, Node
from replications.errors import BadInput
from replications.lens import Lens
from replications.models.network import Network
from replications.models.shape import Shape

Model = Shape | Lens | Network
"""What has a graph of nodes and edges."""


def graph_of(model: Model) -> Graph:
    """The graph of a model or an architecture."""
    return Graph(model if isinstance(model, Shape) else model.shape)


@dataclass(frozen=True)
class Circuit:
    """Some edges of a model: those that carry what they do in the base run."""

    graph: Graph
    kept: Tensor
    """bool [receiver sender]"""

    @classmethod
    def of(cls, model: Model, edges: Iterable[Edge]) -> Circuit:
        """The circuit of some edges. Raises BadInput for one that the model lacks."""
        graph = graph_of(model)
        return cls(graph, graph.mask(edges))

    @classmethod
    def of_nodes(cls, model: Model, nodes: Iterable[Node]) -> Circuit:
        """All edges out of some nodes: every other node is ablated, for all that read it."""
        graph = graph_of(model)
        return cls(graph, graph.out_of(nodes))

    @classmethod
    def of_heads(cls, model: Model, heads: Iterable[tuple[int, int]]) -> Circuit:
        """All edges out of some heads (layer, head), all MLPs and the embedding.

        Every other head is ablated: the circuits of Wang et al. 2022.
        """
        graph = graph_of(model)
        always = [node for node in graph.senders if node.kind != "head"]
        return cls(graph, graph.out_of([*always, *map(Node.of_head, heads)]))

    def __len__(self) -> int:
        return int(self.kept.sum())

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Its edges, by receiver and then by sender."""
        return tuple(self.graph.of_mask(self.kept))

    @cached_property
    def patched(self) -> Tensor:
        """All other edges, which are patched to test the circuit: bool [receiver sender]."""
        return self.graph.every & ~self.kept

    @cached_property
    def reading(self) -> Tensor:
        """Which receivers are inputs of which sender: bool [receiver sender].

        A head has three, an MLP one, the embedding none; the logits are no sender's.
        """
        found = torch.zeros_like(self.graph.every)
        for i, (node, _) in enumerate(self.graph.receivers[:-1]):
            found[i, self.graph.sender(node)] = True
        return found

    def connected(self) -> Circuit:
        """Without the edges that are on no path of kept edges from the embedding to the logits.

        What the others carry cannot depend on the base prompt, or changes nothing.
        """
        reading = self.reading
        kept = self.kept
        while True:
            inputs, read = kept.any(1), kept.any(0)
            live = (reading & inputs[:, None]).any(0)
            live[0] = True
            wanted = (reading & read).any(1)
            wanted[-1] = True
            fewer = kept & live & wanted[:, None]
            if bool((fewer == kept).all()):
                return Circuit(self.graph, kept)
            kept = fewer


class Effects(Protocol):
    """What `edge_sweep`, `eap` and `eap_ig` return."""

    @property
    def edges(self) -> tuple[Edge, ...]: ...

    def effects(self) -> Tensor:
        """By how much each edge changes the mean metric: [edge]."""


Rank = Literal["size", "fall", "rise"]
"""By what effects are ordered: their size, or how far patching lowers or raises the metric."""


def top_edges(model: Model, found: Effects, n: int, *, by: Rank = "size") -> Circuit:
    """The circuit of the `n` edges with the largest effects; of equal ones, the earlier.

    Raises BadInput for `n` not between 0 and the number of edges.
    """
    scores = _scores(found, by)
    if not 0 <= n <= len(scores):
        raise BadInput(f"n={n}: give between 0 and the number of edges, {len(scores)}")
    best = scores.argsort(descending=True, stable=True)[:n]
    return Circuit.of(model, [found.edges[i] for i in best.tolist()])


def edges_over(model: Model, found: Effects, threshold: float, *, by: Rank = "size") -> Circuit:
    """The circuit of all edges whose effect is larger than a threshold.

    Raises BadInput for NaN.
    """
    if math.isnan(threshold):
        raise BadInput("threshold: give a number, not NaN")
    some = (_scores(found, by) > threshold).nonzero()[:, 0]
    return Circuit.of(model, [found.edges[i] for i in some.tolist()])


def edge_auroc(found: Effects, circuit: Circuit, *, by: Rank = "size", least: float = 0.0) -> float:
    """The probability that an edge of a known circuit has a larger effect than another edge.

    Ties count half. Effects smaller than `least` count as none, since the order of rounding errors
    is that of no effects. Raises BadInput unless there are edges in the circuit, and edges outside
    it.
    """
    scores, known = _scores(found, by), set(circuit.edges)
    scores = scores.where(scores.abs() >= least, 0.0)
    inside = torch.tensor([edge in known for edge in found.edges])
    if inside.all() or not inside.any():
        raise BadInput("the area under the ROC curve needs edges in the circuit and outside it")
    return stats.auroc(scores[inside], scores[~inside])


def random_edges(model: Model, n: int, *, seed: int) -> Circuit:
    """A circuit of `n` edges drawn at random, to compare others of that size with.

    Raises BadInput for `n` not between 0 and the number of edges.
    """
    graph = graph_of(model)
    pairs = graph.every.nonzero()
    if not 0 <= n <= len(pairs):
        raise BadInput(f"n={n}: give between 0 and the number of edges, {len(pairs)}")
    drawn = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed))[:n]
    kept = torch.zeros_like(graph.every)
    kept[tuple(pairs[drawn].T)] = True
    return Circuit(graph, kept)


def random_paths(model: Model, n: int, *, seed: int) -> Circuit:
    """A circuit of `n` edges, each on a path from the embedding to the logits, drawn at random.

    Paths are drawn from the logits back, at each node an input and then a sender, all alike; one
    that would make the circuit too large is drawn again. Raises BadInput for `n` that is not
    between 1 and the number of edges, or is not reached.
    """
    graph = graph_of(model)
    if not 1 <= n <= int(graph.every.sum()):
        raise BadInput(f"n={n}: give between 1 and the number of edges, {int(graph.every.sum())}")
    inputs = {node: [i for i, (of, _) in enumerate(graph.receivers) if of == node]
              for node in (*graph.senders[1:], Node("logits"))}  # fmt: skip
    generator = torch.Generator().manual_seed(seed)

    def one_of(n: int) -> int:
        return int(torch.randint(n, (), generator=generator))

    kept = torch.zeros_like(graph.every)
    for _ in range(1000 * n):
        more, node = kept.clone(), Node("logits")
        while node.kind != "embed":
            receiver = inputs[node][one_of(len(inputs[node]))]
            sender = one_of(int(graph.every[receiver].sum()))
            more[receiver, sender] = True
            node = graph.senders[sender]
        if int(more.sum()) <= n:
            kept = more
        if int(kept.sum()) == n:
            return Circuit(graph, kept)
    raise BadInput(f"n={n}: no circuit of so many edges on paths was found")


def _scores(found: Effects, by: Rank) -> Tensor:
    effects = found.effects().cpu()
    if effects.ndim != 1:
        raise BadInput("effects on several logits have no order: give two answers")
    if by == "size":
        return effects.abs()
    if by in ("fall", "rise"):
        return -effects if by == "fall" else effects
    raise BadInput(f"by={by!r}: give 'size', 'fall' or 'rise'")
