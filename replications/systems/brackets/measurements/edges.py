"""The document's circuit for the total elevation as edges: what it keeps, and who finds it.

From the summary of section 3: head 0.0 writes the tally of the brackets, the MLPs turn it into what
head 2.0 reads by its values, and head 2.0 writes the verdict. The base run is on strings T, whose
only fault is the total; patched edges carry a balanced string of the same length.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from replications.circuits import (
    Circuit,
    Edge,
    KnownCircuit,
    Node,
    Peers,
    Prompts,
    Searched,
    random_paths,
)
from replications.errors import BadInput
from replications.models import Head
from replications.systems.brackets.data import BracketData
from replications.systems.brackets.model import BALANCED, UNBALANCED
from replications.systems.brackets.recording import sibling
from replications.systems.brackets.roles import Roles
from replications.systems.brackets.task import Task

PAIRS, PEERS = 20, 40
"""How many pairs of strings, and how many random circuits of the same size."""


def circuit_edges(elevation: Head, total: Head) -> list[Edge]:
    """Embedding, values of the elevation head, MLPs before the total head, its values, logits."""
    first, last = Node.of_head(elevation), Node.of_head(total)
    mlps = [Node("mlp", layer) for layer in range(elevation[0], total[0])]
    return [
        Edge(Node("embed"), first, "v"),
        *(Edge(first, mlp) for mlp in mlps),
        *(Edge(mlp, last, "v") for mlp in mlps),
        Edge(last, Node("logits")),
    ]


def scrubbed_edges(elevation: Head, total: Head, second: Head) -> list[Edge]:
    """The document's edges, with a second head for the total and every path below both heads.

    Of causal scrubbing's account of the published model: heads 2.0 and 1.0 tell whether the total
    is right, from head 0.0 by any path through the MLPs.
    """
    first, last, other = map(Node.of_head, (elevation, total, second))
    found = circuit_edges(elevation, total)
    before = [Node("mlp", layer) for layer in range(elevation[0], second[0])]
    between = [Node("mlp", layer) for layer in range(second[0], total[0])]
    return [
        *found,
        Edge(first, last, "v"),
        Edge(first, other, "v"),
        *(Edge(mlp, other, "v") for mlp in before),
        *(Edge(mlp, later) for mlp in before for later in between),
        *(Edge(other, later) for later in between),
        Edge(other, Node("logits")),
    ]


def string_pairs(data: BracketData, faulty: Tensor, n: int = PAIRS) -> tuple[Tensor, Tensor]:
    """n faulty strings, and for each a balanced one of the same length: long [n pos] each.

    The first faulty strings, balanced ones in turn; pads that no string needs are cut off. Raises
    BadInput if no length has both.
    """
    chosen: list[tuple[int, int]] = []
    used: dict[int, int] = {}
    for row in faulty.nonzero()[:, 0].tolist():
        length = int(data.lengths[row])
        like = (data.balanced & (data.lengths == length)).nonzero()[:, 0].tolist()
        if like and len(chosen) < n:
            chosen.append((row, like[used.get(length, 0) % len(like)]))
            used[length] = used.get(length, 0) + 1
    if not chosen:
        raise BadInput("no balanced string is as long as any of the faulty ones")
    rows, others = torch.tensor(chosen).T
    stop = int(data.lengths[rows].max()) + 2
    return data.tokens[rows, :stop], data.tokens[others, :stop]


class Edges:
    """The document's circuit, and the same with another head in the place of one."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self._task, self._roles = task, roles

    @cached_property
    def _searched(self) -> Searched:
        base, source = string_pairs(self._task.data, self._task.T)
        answers = torch.tensor([[UNBALANCED, BALANCED]]).expand(len(base), 2)
        return Searched(self._task.lens, Prompts(base, source, answers, at=0))

    @cached_property
    def document(self) -> KnownCircuit:
        """The circuit of the document; its peers are random circuits of as many edges."""
        lens = self._task.lens
        known = Circuit.of(lens, circuit_edges(self._roles.elevation, self._roles.total))
        peers = [random_paths(lens, len(known), seed=seed) for seed in range(PEERS)]
        return KnownCircuit(known, Peers(self._searched, peers))

    @property
    def other_tally(self) -> Head:
        """The head of layer 0 that is not the elevation head."""
        return sibling(self._roles.elevation)

    def by(self, *, elevation: Head | None = None, total: Head | None = None) -> KnownCircuit:
        """The circuit with another elevation head, or another head for the total."""
        roles = self._roles
        return self.document.instead(
            circuit_edges(elevation or roles.elevation, total or roles.total)
        )

    @cached_property
    def scrubbed(self) -> KnownCircuit:
        """With head 1.0 as a second head for the total, as in causal scrubbing (arena)."""
        return self.scrubbed_by((1, 0))

    def scrubbed_by(self, second: Head) -> KnownCircuit:
        """The same with another head of layer 1; peers are random circuits of as many edges."""
        lens, roles = self._task.lens, self._roles
        known = Circuit.of(lens, scrubbed_edges(roles.elevation, roles.total, second))
        peers = [random_paths(lens, len(known), seed=seed) for seed in range(PEERS)]
        return KnownCircuit(known, Peers(self._searched, peers))
