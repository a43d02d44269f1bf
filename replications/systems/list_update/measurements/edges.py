"""The document's circuit as edges, for a changed index: what it keeps, and which methods find it.

The section "Activation patching" tells how the index travels: the value of head 0.0 reads the index
token, its output at the new element is read by the key of head 1.0, and head 1.0 writes the answer.
The base run is the clean prompt, and patched edges carry the prompt with another index.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch

from replications.circuits import Circuit, Edge, KnownCircuit, Node, Peers, Prompts, Searched, edges
from replications.circuits.graph import Input
from replications.lens import Lens
from replications.systems.list_update.data import Pairs
from replications.systems.list_update.roles import Roles


def document_edges(roles: Roles, composed: Input = "k") -> list[Edge]:
    """The three edges of the document, or with another input of the copying head."""
    previous, copying = map(Node.of_head, (roles.previous, roles.copying))
    return [
        Edge(Node("embed"), previous, "v"),
        Edge(previous, copying, composed),
        Edge(copying, Node("logits")),
    ]


def document_circuit(lens: Lens, pairs: Pairs, roles: Roles) -> KnownCircuit:
    """The document's circuit; its peers are all others of three edges that are on a path."""
    answers = torch.stack([pairs.correct, pairs.incorrect], dim=1)
    searched = Searched(lens, Prompts(pairs.clean, pairs.corrupted, answers, pairs.position))
    known = Circuit.of(lens, document_edges(roles))
    others = (Circuit.of(lens, some) for some in combinations(edges(lens), 3))
    peers = [c for c in others if len(c.connected()) == 3 and c.edges != known.edges]
    return KnownCircuit(known, Peers(searched, peers))


class Edges:
    """The document's circuit, and circuits that differ from it in one edge."""

    def __init__(self, lens: Lens, pairs: Pairs, roles: Roles) -> None:
        self.document = document_circuit(lens, pairs, roles)
        self._roles = roles

    def composed_by(self, input: Input) -> KnownCircuit:
        """With another input of the copying head in the place of its keys."""
        return self.document.instead(document_edges(self._roles, input))

    def one_head(self) -> KnownCircuit:
        """Another account: the copying head alone, its keys and values from the embedding."""
        copying, embed = Node.of_head(self._roles.copying), Node("embed")
        into = [Edge(embed, copying, "k"), Edge(embed, copying, "v")]
        return self.document.instead([*into, Edge(copying, Node("logits"))])

    def with_more(self, names: Sequence[str] = ("embed -> 1.0.q",)) -> KnownCircuit:
        """With more edges, by name."""
        return self.document.instead([*self.document.circuit.edges, *map(Edge.parse, names)])
