"""The circuit as heads and as edges: what is kept, what is replaced, and which edges are listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from replications.circuits import Edge, Graph
from replications.lens import open_lens
from replications.models import Head, apply, sites
from replications.models.shape import Shape
from replications.systems.ioi import IoiSubject, model
from replications.systems.ioi.construction import ROLES, live_edges, planted_edges
from replications.systems.ioi.construction.heads import wiring
from replications.systems.ioi.data import ABC, draw, toy_tokenizer
from replications.systems.ioi.measurements.circuits import Circuits, circuit_of, classes_of
from replications.systems.ioi.measurements.edges import Edges, listed_edges
from replications.systems.ioi.roles import PUBLISHED, Roles
from replications.systems.ioi.task import Task
from replications.training.transformer import untrained_state_dict

SHAPE = model.shape(3, 4, 16, 32)
SMALL = Roles(
    name_mover=(2, 0),
    name_movers=((2, 0), (2, 3)),
    negative=((2, 1),),
    s_inhibition=((1, 2),),
    biggest_inhibition=((1, 2),),
    token_readers=(),
    induction=(),
    fuzzy=(),
    duplicate=((0, 1),),
    previous=((0, 3),),
    outside=((2, 2), (1, 0)),
    outside_early=(),
    outside_earliest=(),
)
GPT2 = Shape(
    n_layers=12, n_heads=12, d_model=768, d_head=64, d_mlp=3072, n_ctx=1024, d_vocab=50257,
    d_vocab_out=50257, act_fn="gelu_new",
)  # fmt: skip


@pytest.fixture(scope="module")
def task() -> Task:
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: weight + 0.3 * torch.randn(weight.shape, generator=generator)
        for name, weight in untrained_state_dict(SHAPE).items()
    }
    lens = open_lens(SHAPE, weights, dtype="float64")
    return Task(lens, toy_tokenizer(), bos=True, sample=draw(12))


@pytest.fixture(scope="module")
def circuits(task: Task) -> Circuits:
    return Circuits(task, SMALL)


def by_hand(task: Task, kept: dict[str, Sequence[Head]], *, everywhere: bool = False) -> float:
    """F(C), head by head and prompt by prompt."""
    edits = []
    for layer in range(3):
        z = task.lens.run(task.abc.tokens, {"z": sites.Z(layer)})["z"]
        for head in range(4):
            names = [name for name, heads in kept.items() if (layer, head) in heads]
            if everywhere and names:
                continue
            instead = z[:, :, head].clone()
            for i in range(len(instead)):
                same = [j for j in range(len(z)) if task.abc.template[j] == task.abc.template[i]]
                instead[i] = torch.stack([z[j, :, head] for j in same]).mean(0)

            def change(now: Tensor, values: Tensor = instead, at: Sequence[str] = names) -> Tensor:
                new = values.clone()
                for name in at:
                    for i, pos in enumerate(task.positions[name].tolist()):
                        new[i, pos] = now[i, pos]
                return new

            edits.append(apply(sites.Z(layer).pick(head=head), change))
    return task.difference(edits).mean().item()


def test_what_is_not_kept_where_it_acts_is_its_mean(task: Task, circuits: Circuits) -> None:
    kept = circuit_of(SMALL)
    assert set(kept) == {"end", "S2", "S1+1"}
    assert circuits.alone(kept) == pytest.approx(by_hand(task, dict(kept)), rel=1e-9)
    everywhere = circuits.alone(kept, everywhere=True)
    assert everywhere == pytest.approx(by_hand(task, dict(kept), everywhere=True), rel=1e-9)
    assert everywhere != pytest.approx(circuits.alone(kept))


def test_heads_taken_out_of_the_model_are_a_circuit_of_all_others(circuits: Circuits) -> None:
    every = [(layer, head) for layer in range(3) for head in range(4)]
    others = {"end": tuple(head for head in every if head not in ((0, 1), (2, 0)))}
    expected = circuits.alone(others, everywhere=True)
    assert circuits.lesioned([(0, 1), (2, 0)]) == pytest.approx(expected, rel=1e-12)
    whole = circuits.alone({"end": tuple(every)}, everywhere=True)
    assert whole == pytest.approx(circuits.whole, rel=1e-12) == circuits.lesioned([])


def test_nothing_kept_and_all_resampled_is_the_abc_prompts(task: Task, circuits: Circuits) -> None:
    edits = task.outputs_on(ABC, [(layer, head) for layer in range(3) for head in range(4)])
    found = circuits.alone({}, ablation="resampled")
    assert found == pytest.approx(task.difference(edits).mean().item(), rel=1e-9)
    over = circuits.alone({}, ablation="over_positions")
    assert over != pytest.approx(circuits.alone({}))


def test_the_numbers_that_are_claimed(circuits: Circuits) -> None:
    alone, kept = circuits.alone, circuits.published
    share = alone(kept) / circuits.whole
    assert circuits.faithful() == pytest.approx({"share": share, "difference": alone(kept)})
    assert circuits.by_convention()["by_position"] == pytest.approx(share)
    gaps = [alone(circuits.without(*k)) - circuits.lesioned(k) for k in classes_of(SMALL)]
    gaps.append(alone(kept) - circuits.whole)
    assert circuits.incomplete() == pytest.approx(max(map(abs, gaps)))
    falls = []
    for one in classes_of(SMALL):
        for head in one:
            others = [other for other in one if other != head]
            falls.append(alone(circuits.without(*others)) - alone(circuits.without(*one)))
    least = min(map(abs, falls)) / abs(circuits.whole)
    assert circuits.least_needed() == pytest.approx(least)
    assert circuits.outside_needed > 0
    assert circuits.least_needed([]) != circuits.least_needed([])  # NaN


def test_random_circuits_have_as_many_heads_at_each_position(circuits: Circuits) -> None:
    drawn = circuits.random(5)
    sizes = {name: len(heads) for name, heads in circuits.published.items()}
    assert {name: len(heads) for name, heads in drawn.items()} == sizes
    heads = [head for some in drawn.values() for head in some]
    assert len(set(heads)) == len(heads)
    peers = [circuits.alone(circuits.random(seed)) for seed in range(1, 11)]
    ahead = circuits.alone(circuits.published) - max(peers)
    assert circuits.ahead_of_random() == pytest.approx(ahead)


def test_the_published_circuit_has_26_heads_and_its_classes_25() -> None:
    # 0.10 is the paper's, and has no role in the document.
    assert sum(map(len, circuit_of(PUBLISHED).values())) == 26
    assert sum(map(len, classes_of(PUBLISHED))) == 25
    assert len(classes_of(replace(SMALL, negative=(), previous=()))) == 3


# ------------------------------------------------------------------------------------------ edges
@pytest.mark.parametrize("mlps", [False, True])
def test_listed_edges_are_edges_of_the_model(mlps: bool) -> None:
    found = listed_edges(GPT2, PUBLISHED, mlps=mlps)
    assert len(set(found)) == len(found)
    assert set(found) <= set(Graph(GPT2).edges)
    names = {*map(str, found)}
    assert {"embed -> 0.1.q", "2.2 -> 5.5.k", "8.6 -> 9.9.q", "10.7 -> logits"} <= names
    assert not names & {"9.9 -> 10.7.q", "0.1 -> 9.9.k", "8.6 -> 7.3.q", "7.9 -> 8.10.v"}
    assert ("mlp0 -> mlp5" in names) == ("mlp3 -> 4.11.v" in names) == mlps
    assert "mlp4 -> 4.11.v" not in names


def test_groups_of_senders_can_be_left_out() -> None:
    every = listed_edges(GPT2, PUBLISHED, mlps=False)
    fewer = listed_edges(GPT2, PUBLISHED, mlps=False, without=["s_inhibition"])
    gone = {*every} - {*fewer}
    assert len(gone) == 4 * 13
    assert {edge.input for edge in gone} == {"q"}


def test_planted_edges_join_what_is_written_to_what_reads_it() -> None:
    heads = wiring()
    graph = Graph(replace(GPT2, d_model=396, d_head=33, d_mlp=4, d_vocab=92, d_vocab_out=92))
    assert set(planted_edges()) <= set(live_edges()) <= set(graph.edges)
    for edge in planted_edges():
        if edge.sender.kind == "head" and edge.receiver.kind == "head":
            written = torch.cat([move.write for move in heads[_head(edge.sender)][1]])
            matches, moves = heads[_head(edge.receiver)]
            read = {
                "q": [match.query for match in matches],
                "k": [match.key for match in matches],
                "v": [move.read for move in moves],
            }[str(edge.input)]
            assert (torch.cat(read) @ written.T).abs().max() > 0.01, edge
    assert ROLES is PUBLISHED


def _head(node: object) -> Head:
    layer, head = str(node).split(".")
    return int(layer), int(head)


def test_edges_are_ranked_among_drawn_ones_and_circuits_kept(task: Task) -> None:
    edges = Edges(task, SMALL)
    known = edges.between_heads
    found = known.searched.effects["exact"].edges
    assert known.circuit.edges
    assert set(known.circuit.edges) <= set(found)
    assert not any("mlp" in str(edge) for edge in found)
    assert len(found) == len(set(found))
    kept = edges.with_mlps
    assert {len(peer) for peer in kept.peers.circuits} == {len(kept.circuit)}
    assert len(edges.without_inhibition.circuit) == len(kept.circuit) - 3
    drawn, again = edges.curve(shuffled=True), edges.curve(shuffled=True)
    assert drawn == again != edges.curve()


def test_a_planted_circuit_without_an_input_has_fewer_edges(task: Task) -> None:
    subject = IoiSubject("small", task, roles=SMALL)
    known = [Edge.parse(n) for n in ("embed -> 2.0.v", "embed -> 2.0.k", "2.0 -> logits")]
    planted = type(subject.planted)(subject.edges, known, [*known, Edge.parse("embed -> 1.0.v")])
    assert len(planted.ranked.searched.effects["exact"].edges) == 4
    left = planted.without([(2, 0)], "k").circuit.edges
    assert [*map(str, left)] == ["embed -> 2.0.v", "2.0 -> logits"]
