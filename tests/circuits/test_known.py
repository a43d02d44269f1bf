"""A stated circuit beside its peers and what methods find, on a model with a planted circuit."""

from __future__ import annotations

import pytest
import torch

from replications.circuits import (
    Circuit,
    KnownCircuit,
    Peers,
    Prompts,
    Searched,
    patch_edge_sets,
    random_paths,
)
from replications.circuits.known import METHODS
from replications.errors import BadInput
from tests.circuits.test_discovery import ANSWERS, SMALL, pair, planted


@pytest.fixture(scope="module")
def known() -> KnownCircuit:
    model, edges = planted()
    peers = [random_paths(model, len(edges), seed=seed) for seed in range(5)]
    base, source = pair()
    searched = Searched(model, Prompts(base, source, ANSWERS))
    return KnownCircuit(Circuit.of(model, edges), Peers(searched, peers))


def test_a_planted_circuit_keeps_everything(known: KnownCircuit) -> None:
    assert known.faithful()["recovered"] == pytest.approx(1)
    assert known.incomplete() == pytest.approx(0, abs=1e-9)
    assert known.behind_found() >= 0
    assert known.aurocs()["exact"] == 1
    assert known.missed_by("exact") == ()
    assert known.ahead_of_peers() == pytest.approx(1 - known.peers.kept.max().item())


def test_the_share_of_peers_is_that_of_patching_all_other_edges(known: KnownCircuit) -> None:
    p, s = known.searched.prompts, known.searched
    assert isinstance(p.source, torch.Tensor)
    sets = [[e for e in c.graph.edges if e not in set(c.edges)] for c in known.peers.circuits]
    swept = patch_edge_sets(s.model, p.base, p.source, sets, answers=p.answers)
    low, high = swept.source.mean(), swept.base.mean()
    torch.testing.assert_close(known.peers.kept, ((swept.values.mean(1) - low) / (high - low)))
    assert s.range == pytest.approx((high - low).item())


def test_an_edge_that_does_nothing_is_not_needed(known: KnownCircuit) -> None:
    idle = next(e for e in known.circuit.graph.edges if str(e) == "0.0 -> 1.0.q")
    more = known.instead([*known.circuit.edges, idle])
    kept = more.faithful()["recovered"]
    without = [
        more.instead([e for e in more.circuit.edges if e != one]) for one in more.circuit.edges
    ]
    falls = [kept - other.faithful()["recovered"] for other in without]
    assert falls[more.circuit.edges.index(idle)] == pytest.approx(0, abs=1e-12)
    assert more.least_needed() == pytest.approx(min(falls))
    assert more.differs_from_acdc()["missed"] >= 1
    assert set(more.missed()) == {*METHODS, "acdc"}


def test_a_circuit_of_all_edges_keeps_all(known: KnownCircuit) -> None:
    every = len(known.circuit.graph.edges)
    kept = known.kept_by_size("exact", [0, every])
    assert kept.tolist() == pytest.approx([0, 1])


def test_means_over_peers_are_those_of_each(known: KnownCircuit) -> None:
    each = [known.instead(peer.edges) for peer in known.peers.circuits]
    aurocs = [one.aurocs()["eap"] for one in each]
    assert known.random_aurocs()["eap"] == pytest.approx(sum(aurocs) / len(each))
    missed = [one.missed()["acdc"] for one in each]
    assert known.random_missed()["acdc"] == pytest.approx(sum(missed) / len(each))


def test_effects_of_some_edges_are_those_among_all(known: KnownCircuit) -> None:
    s = known.searched
    some = [edge for edge in known.circuit.graph.edges if edge.receiver.layer != 0]
    few = Searched(s.model, s.prompts, some)
    for name, found in few.effects.items():
        assert found.edges == tuple(some)
        every = dict(zip(s.effects[name].edges, s.effects[name].effects().tolist(), strict=True))
        assert found.effects().tolist() == pytest.approx([every[edge] for edge in some])


def test_small_effects_are_ties(known: KnownCircuit) -> None:
    s = known.searched
    coarse = KnownCircuit(known.circuit, Peers(Searched(s.model, s.prompts, least=1e9), []))
    assert coarse.aurocs() == dict.fromkeys(METHODS, 0.5)
    fine = KnownCircuit(known.circuit, Peers(Searched(s.model, s.prompts, least=1e-12), []))
    assert fine.aurocs()["exact"] == 1


def test_acdc_has_an_auroc_by_what_it_keeps(known: KnownCircuit) -> None:
    kept, mine = set(known.searched.acdc.edges), set(known.circuit.edges)
    others = set(known.circuit.graph.edges) - mine
    found = known.all_aurocs()
    assert {name: found[name] for name in METHODS} == known.aurocs()
    right = len(kept & mine) / len(mine), len(others - kept) / len(others)
    assert found["acdc"] == pytest.approx(sum(right) / 2)
    each = [known.instead(peer.edges).all_aurocs()["acdc"] for peer in known.peers.circuits]
    assert known.all_random_aurocs()["acdc"] == pytest.approx(sum(each) / len(each))


# ---------------------------------------------------------------------------------- random paths
@pytest.mark.parametrize("n", [1, 2, 7, 20])
def test_random_paths_have_the_size_and_no_loose_edge(n: int) -> None:
    found = random_paths(SMALL, n, seed=3)
    assert len(found) == len(found.connected()) == n
    assert (found.kept == random_paths(SMALL, n, seed=3).kept).all()
    assert n < 2 or any(
        (found.kept != random_paths(SMALL, n, seed=s).kept).any() for s in range(4, 9)
    )


@pytest.mark.parametrize("n", [0, 10_000])
def test_sizes_that_no_circuit_has_are_refused(n: int) -> None:
    with pytest.raises(BadInput, match=f"n={n}"):
        random_paths(SMALL, n, seed=0)
