"""A circuit that somebody has stated, beside random circuits and those that methods find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from replications.analysis.statistics import auroc
from replications.circuits.circuit import Circuit, Effects, edge_auroc, top_edges
from replications.circuits.discovery import Discovery, acdc
from replications.circuits.edge_sets import EdgeSetSweep, patch_edge_sets
from replications.circuits.edges import edge_sweep
from replications.circuits.estimates import eap, eap_ig
from replications.circuits.graph import Edge, Node
from replications.circuits.quality import (
    Faithfulness,
    Part,
    Prompts,
    completeness,
    faithfulness,
    minimality,
)
from replications.lens import Lens
from replications.models.network import Network

THRESHOLD = 0.05
"""What an edge must be worth to ACDC, as a share of the metric's whole range."""
METHODS = ("exact", "eap", "eap_ig")


class Searched:
    """What each method finds on some prompts, computed once for all circuits compared with it.

    The metric's range is its mean in the model less its mean with all edges patched. With `edges`,
    effects are computed of these alone, where a model has too many; ACDC still tries all. Effects
    below `least`, a share of the range, are none to an AUROC: where most edges do nothing, rounding
    would order them.
    """

    def __init__(
        self,
        model: Lens | Network,
        prompts: Prompts,
        edges: Sequence[Edge] | None = None,
        *,
        least: float = 0.0,
    ) -> None:
        self.model, self.prompts, self.edges, self.least = model, prompts, edges, least

    @cached_property
    def effects(self) -> Mapping[str, Effects]:
        """The effects of the edges by each of METHODS."""
        p = self.prompts
        assert isinstance(p.source, Tensor)
        found: dict[str, Effects] = {}
        for name, method in (("exact", edge_sweep), ("eap", eap), ("eap_ig", eap_ig)):
            found[name] = method(
                self.model, p.base, p.source, self.edges, answers=p.answers, at=p.at
            )
        return found

    @cached_property
    def acdc(self) -> Discovery:
        """The circuit of ACDC: what moves the metric by less than THRESHOLD of the range goes."""
        p, threshold = self.prompts, THRESHOLD * abs(self.range)
        return acdc(
            self.model, p.base, p.source, threshold, answers=p.answers, at=p.at, damage="distance"
        )

    def metrics(self, circuits: Sequence[Circuit]) -> EdgeSetSweep:
        """The metric of each of some circuits."""
        p, sets = self.prompts, torch.stack([circuit.patched for circuit in circuits])
        return patch_edge_sets(self.model, p.base, p.source, sets, answers=p.answers, at=p.at)

    def recovered(self, circuits: Sequence[Circuit]) -> Tensor:
        """The share of the range that each circuit keeps: float64 [circuit]."""
        swept = self.metrics(circuits)
        none = swept.source.double().mean()
        shares: Tensor = (swept.values.double().mean(1) - none) / self.range
        return shares

    @cached_property
    def range(self) -> float:
        """The mean metric of the model less that with all edges patched."""
        swept = self.metrics([Circuit.of(self.model, [])])
        return (swept.base - swept.source).double().mean().item()


class Peers:
    """Circuits that a stated one is compared with."""

    def __init__(self, searched: Searched, circuits: Sequence[Circuit]) -> None:
        self.searched, self.circuits = searched, circuits

    @cached_property
    def kept(self) -> Tensor:
        """The share of the range that each keeps: float64 [circuit]."""
        return self.searched.recovered(self.circuits)


class KnownCircuit:
    """A circuit stated in advance, and others of as many edges that it is compared with.

    Everything is computed once, when it is asked for.
    """

    def __init__(self, circuit: Circuit, peers: Peers) -> None:
        self.circuit, self.peers, self.searched = circuit, peers, peers.searched

    def instead(self, edges: Sequence[Edge]) -> KnownCircuit:
        """Another circuit on the same prompts, with the same peers."""
        other = Circuit.of(self.searched.model, edges)
        return KnownCircuit(other, self.peers)

    # ---------------------------------------------------------------- faithfulness
    @cached_property
    def kept(self) -> Faithfulness:
        """The metric of the model, of the circuit and of nothing."""
        return faithfulness(self.searched.model, self.circuit, self.searched.prompts)

    def faithful(self) -> dict[str, float]:
        """The share of the range that it keeps, and the low end of its 95 % interval."""
        found = self.kept.recovered()
        return {"recovered": found.mean, "low": found.low}

    def ahead_of_peers(self) -> float:
        """The share that it keeps, less that of the best peer."""
        return self.faithful()["recovered"] - self.peers.kept.max().item()

    def behind_found(self) -> float:
        """How much more the best circuit of a method keeps; 0 if none keeps more.

        A method's circuit has its top edges, as many as this circuit has.
        """
        n, tried = len(self.circuit), [self.circuit]
        tops = [top_edges(self.searched.model, e, n) for e in self.searched.effects.values()]
        tried += [top for top in tops if top.edges != self.circuit.edges]
        kept = self.searched.recovered(tried)
        return (kept.max() - kept[0]).item()

    def kept_by_size(self, method: str, sizes: Sequence[int]) -> Tensor:
        """The share of the range that the top edges of one of METHODS keep: float64 [size]."""
        s = self.searched
        return s.recovered([top_edges(s.model, s.effects[method], n) for n in sizes])

    # ---------------------------------------------------------------- completeness, minimality
    def _parts(self) -> list[Part]:
        """Nothing, each edge, and each head or MLP of the circuit."""
        nodes = {edge.sender for edge in self.circuit.edges} - {Node("embed")}
        return [
            [],
            *([edge] for edge in self.circuit.edges),
            *([n] for n in sorted(nodes, key=str)),
        ]

    def incomplete(self) -> float:
        """The largest |F(C without K) - F(M without K)| over parts K, as a share of the range."""
        s = self.searched
        found = completeness(s.model, self.circuit, s.prompts, self._parts())
        return (found.gaps().abs().max() / abs(s.range)).item()

    def least_needed(self) -> float:
        """The smallest fall of the metric without one edge, as a share of the range."""
        s = self.searched
        found = minimality(s.model, self.circuit, s.prompts, [[e] for e in self.circuit.edges])
        falls = (found.without_others - found.without_part).double().mean(1)
        return (falls / s.range).min().item()

    # ---------------------------------------------------------------- discovery
    def aurocs(self) -> dict[str, float]:
        """For each method, how often an edge of the circuit has a larger effect than another."""
        s = self.searched
        least = s.least * abs(s.range) if s.least else 0.0
        return {name: edge_auroc(e, self.circuit, least=least) for name, e in s.effects.items()}

    def random_aurocs(self) -> dict[str, float]:
        """The means of the same over the peers."""
        return _means([self.instead(peer.edges).aurocs() for peer in self.peers.circuits])

    def all_aurocs(self) -> dict[str, float]:
        """The same with ACDC, which only tells edges that it keeps from others: ties count half."""
        s, mine = self.searched, set(self.circuit.edges)
        kept = set(s.acdc.edges)
        both = ([edge in kept for edge in s.acdc.graph.edges if (edge in mine) is known]
                for known in (True, False))  # fmt: skip
        inside, outside = (torch.tensor(part).double() for part in both)
        return {**self.aurocs(), "acdc": auroc(inside, outside)}

    def all_random_aurocs(self) -> dict[str, float]:
        """The means of the same over the peers."""
        return _means([self.instead(peer.edges).all_aurocs() for peer in self.peers.circuits])

    def missed_by(self, method: str) -> tuple[Edge, ...]:
        """The edges of the circuit that a method leaves out: acdc, or one of METHODS.

        The circuit of one of METHODS has its top edges, as many as this circuit has.
        """
        s = self.searched
        if method == "acdc":
            theirs: Circuit = s.acdc
        else:
            theirs = top_edges(s.model, s.effects[method], len(self.circuit))
        return tuple(edge for edge in self.circuit.edges if edge not in set(theirs.edges))

    def missed(self) -> dict[str, float]:
        """How many of its edges each method misses, as a share of them, ACDC included."""
        of = len(self.circuit)
        return {name: len(self.missed_by(name)) / of for name in (*METHODS, "acdc")}

    def random_missed(self) -> dict[str, float]:
        """The means of the same over the peers."""
        return _means([self.instead(peer.edges).missed() for peer in self.peers.circuits])

    def differs_from_acdc(self) -> dict[str, float]:
        """How many of its edges ACDC misses, and how many others ACDC keeps."""
        mine, theirs = set(self.circuit.edges), set(self.searched.acdc.edges)
        return {"missed": len(mine - theirs), "extra": len(theirs - mine)}


def _means(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(of[name] for of in found) / len(found) for name in found[0]}
