"""The published circuit as edges, by the conventions of ACDC and of MIB.

Conmy et al. 2023 (arXiv:2304.14997) list the edges that Wang et al. 2022 describe. Here, as in ACDC
and MIB (Mueller et al. 2025, arXiv:2504.13151), all other edges carry the ABC prompt, at every
position, and the metric is the logit difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import torch
from torch import Tensor

from replications.circuits import (
    Circuit,
    Edge,
    EdgeEstimate,
    KnownCircuit,
    Node,
    Peers,
    Prompts,
    Searched,
    eap_ig,
    edges,
    faithfulness_curve,
    random_paths,
)
from replications.circuits.graph import Input
from replications.models.shape import Head, Shape
from replications.systems.ioi.roles import Roles
from replications.systems.ioi.task import Task

PAIRS = 2
"""Prompts, each with its ABC prompt: one of each pattern."""
OTHERS = 400
"""How many edges outside a circuit it is compared with, drawn at random."""
LEAST = 1e-5
"""The share of the metric's range below which an effect counts as none."""
PEERS = 10
"""How many random circuits of as many edges."""
INPUT, OUTPUT = "input", "output"
Connection = tuple[str, str, tuple[Input | None, ...]]
"""A group of senders, a group of receivers, and the inputs by which these read."""
CONNECTIONS: tuple[Connection, ...] = (
    (INPUT, "previous", ("q", "k", "v")),
    (INPUT, "duplicate", ("q", "k", "v")),
    (INPUT, "s_inhibition", ("q",)),
    (INPUT, "name_movers", ("k", "v")),
    (INPUT, "negative", ("k", "v")),
    ("previous", "all_induction", ("k", "v")),
    ("all_induction", "s_inhibition", ("k", "v")),
    ("duplicate", "s_inhibition", ("k", "v")),
    ("s_inhibition", "name_movers", ("q",)),
    ("s_inhibition", "negative", ("q",)),
    ("name_movers", OUTPUT, (None,)),
    ("negative", OUTPUT, (None,)),
)
"""Which groups of `Roles` ACDC's list connects. Its input is the embedding and every MLP."""


def listed_edges(
    shape: Shape, roles: Roles, *, mlps: bool, without: Sequence[str] = ()
) -> list[Edge]:
    """The edges of CONNECTIONS, senders in earlier layers only, but those out of some groups.

    Without `mlps` the input is the embedding alone. With them, the edges from the embedding and the
    MLPs to later MLPs and to the logits are listed too, as ACDC's list has them.
    """
    sources = [Node("embed"), *(_mlps(shape) if mlps else [])]

    def nodes(group: str) -> list[Node]:
        if group == INPUT:
            return sources
        return [Node("logits")] if group == OUTPUT else [*map(Node.of_head, getattr(roles, group))]

    found = [
        Edge(sender, receiver, name)
        for senders, receivers, inputs in CONNECTIONS
        if senders not in without
        for sender, receiver, name in product(nodes(senders), nodes(receivers), inputs)
    ]
    if mlps:
        found += [Edge(a, b) for a, b in product(sources, [*_mlps(shape), Node("logits")])]
    return [edge for edge in found if _forwards(edge)]


def _mlps(shape: Shape) -> list[Node]:
    return [] if shape.attn_only else [Node("mlp", layer) for layer in range(shape.n_layers)]


def _forwards(edge: Edge) -> bool:
    sender, receiver = edge.sender.layer, edge.receiver.layer
    return sender is None or receiver is None or sender < receiver


class Edges:
    """ACDC's list of edges on a few prompts, and circuits to compare it with."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self._task, self._roles = task, roles
        self._shape = task.lens.shape

    @cached_property
    def prompts(self) -> Prompts:
        """The first prompts, each with its ABC prompt."""
        task, some = self._task, slice(PAIRS)
        tokens, abc = task.batch.tokens[some], task.abc.tokens[some]
        return Prompts(tokens, abc, task.answers[some], task.batch.end[some])

    def _listed(self, *, mlps: bool, without: Sequence[str] = ()) -> list[Edge]:
        return listed_edges(self._shape, self._roles, mlps=mlps, without=without)

    # ---------------------------------------------------------------- ranking
    @cached_property
    def between_heads(self) -> KnownCircuit:
        """The list without MLPs, among OTHERS edges without MLPs; its peers have other edges."""
        return self.among(self._listed(mlps=False), self._others)

    @cached_property
    def _others(self) -> list[Edge]:
        """OTHERS edges between the embedding, heads and the logits, drawn from all others."""
        known = set(self._listed(mlps=False))
        heads = [e for e in edges(self._shape) if "mlp" not in (e.sender.kind, e.receiver.kind)]
        return _drawn([e for e in heads if e not in known], OTHERS, seed=0)

    def among(self, known: Sequence[Edge], others: Sequence[Edge]) -> KnownCircuit:
        """A circuit whose edges are ranked among some others; its peers are drawn from both."""
        lens, both = self._task.lens, [*known, *others]
        drawn = [_drawn(both, len(known), seed=seed) for seed in range(PEERS)]
        peers = [Circuit.of(lens, some) for some in drawn]
        searched = Searched(lens, self.prompts, both, least=LEAST)
        return KnownCircuit(Circuit.of(lens, known), Peers(searched, peers))

    # ---------------------------------------------------------------- what it keeps
    @cached_property
    def with_mlps(self) -> KnownCircuit:
        """The whole list; its peers are random circuits on paths from embedding to logits."""
        return self.on_paths(self._listed(mlps=True))

    def on_paths(self, known: Sequence[Edge]) -> KnownCircuit:
        """A circuit beside random ones of as many edges on paths."""
        lens = self._task.lens
        peers = [random_paths(lens, len(known), seed=seed) for seed in range(PEERS)]
        return KnownCircuit(Circuit.of(lens, known), Peers(Searched(lens, self.prompts), peers))

    @cached_property
    def without_inhibition(self) -> KnownCircuit:
        """The list without the edges out of S-inhibition heads, with the same peers."""
        return self.with_mlps.instead(self._listed(mlps=True, without=["s_inhibition"]))

    # ---------------------------------------------------------------- curves
    @cached_property
    def _estimated(self) -> EdgeEstimate:
        p = self.prompts
        assert isinstance(p.source, Tensor)
        return eap_ig(self._task.lens, p.base, p.source, answers=p.answers, at=p.at)

    def curve(self, *, shuffled: bool = False) -> dict[str, float]:
        """CPR and CMD of the circuits that EAP-IG finds on the prompts, tested on the same.

        For CPR edges are ordered by how far patching lowers the metric, for CMD by the size of the
        effect. With `shuffled`, edges exchange their estimates at random.
        """
        found = _Shuffled.of(self._estimated) if shuffled else self._estimated
        lens, p = self._task.lens, self.prompts
        return {
            "cpr": faithfulness_curve(lens, found, p, by="fall").cpr().mean,
            "cmd": faithfulness_curve(lens, found, p, by="size").cmd().mean,
        }


class Planted:
    """The edges that a model was written with, among all others that could carry something."""

    def __init__(self, edges: Edges, known: Sequence[Edge], live: Sequence[Edge]) -> None:
        self._edges, self._known = edges, known
        self._others = [edge for edge in live if edge not in set(known)]

    @cached_property
    def ranked(self) -> KnownCircuit:
        """For ranking: among all others."""
        return self._edges.among(self._known, self._others)

    @cached_property
    def kept(self) -> KnownCircuit:
        """For what it keeps: beside random circuits on paths."""
        return self._edges.on_paths(self._known)

    def without(self, receivers: Sequence[Head], name: Input) -> KnownCircuit:
        """Without the edges into one input of some heads, with the same peers."""
        nodes = {*map(Node.of_head, receivers)}
        left = [e for e in self._known if not (e.receiver in nodes and e.input == name)]
        return self.kept.instead(left)


@dataclass(frozen=True)
class _Shuffled:
    edges: tuple[Edge, ...]
    values: Tensor

    @classmethod
    def of(cls, found: EdgeEstimate, seed: int = 0) -> _Shuffled:
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(found.edges), generator=generator)
        return cls(found.edges, found.effects().cpu()[order])

    def effects(self) -> Tensor:
        return self.values


def _drawn(listed: Sequence[Edge], n: int, seed: int) -> list[Edge]:
    order = torch.randperm(len(listed), generator=torch.Generator().manual_seed(seed))
    return [listed[i] for i in sorted(order[:n].tolist())]
