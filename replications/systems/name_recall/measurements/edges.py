"""The edges with which the hand-written model was made: which methods find them, what they keep."""

from __future__ import annotations

from functools import cached_property

import torch

from replications.circuits import (
    Circuit,
    Edge,
    KnownCircuit,
    Peers,
    Prompts,
    Searched,
    random_paths,
)
from replications.systems.name_recall import construction
from replications.systems.name_recall.task import Task

PAIRS, PEERS = 20, 20
"""How many pairs of people, and how many random circuits of as many edges."""


class Edges:
    """The planted edges on prompts about other people whose last token is the same.

    Other edges carry a prompt with another last name and another first name before it, in which the
    last token's name occurs nowhere else.
    """

    def __init__(self, task: Task) -> None:
        self._task = task.about(task.names[:PAIRS])

    @cached_property
    def prompts(self) -> Prompts:
        """Clean prompts, and those that other edges carry."""
        made = self._task.prompts
        other_first = made.first_name != made.clean
        source = torch.where(other_first, made.first_name, made.last_name)
        return Prompts(made.clean, source, made.answers)

    @cached_property
    def planted(self) -> KnownCircuit:
        """The edges of `construction`; its peers are random circuits on paths."""
        lens, known = self._task.lens, construction.planted()
        peers = [random_paths(lens, len(known), seed=seed) for seed in range(PEERS)]
        return KnownCircuit(Circuit.of(lens, known), Peers(Searched(lens, self.prompts), peers))

    @cached_property
    def by_values(self) -> KnownCircuit:
        """What 0.2 writes is read by the values of 1.6 in the place of its keys."""
        edges = (str(edge).replace("0.2 -> 1.6.k", "0.2 -> 1.6.v") for edge in self._known)
        return self.planted.instead([*map(Edge.parse, edges)])

    @cached_property
    def second_alone(self) -> KnownCircuit:
        """Head 1.1 alone, which looks at any last name."""
        return self.planted.instead([edge for edge in self._known if "1.1" in str(edge)])

    @property
    def _known(self) -> tuple[Edge, ...]:
        return self.planted.circuit.edges

    def found(self, circuit: KnownCircuit | None = None) -> dict[str, float]:
        """The AUROC of exact effects, and in how many edges ACDC differs from the circuit."""
        known = self.planted if circuit is None else circuit
        acdc = known.differs_from_acdc()
        return {
            "exact": known.aurocs()["exact"],
            "missed_by_acdc": acdc["missed"],
            "kept_by_acdc_alone": acdc["extra"],
        }

    @property
    def random_found(self) -> dict[str, float]:
        """The means of the same over the random circuits."""
        peers = self.planted.peers.circuits
        found = [self.found(self.planted.instead(peer.edges)) for peer in peers]
        return {name: sum(of[name] for of in found) / len(found) for name in found[0]}
