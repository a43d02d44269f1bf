"""ACDC against testing edges one by one, circuits of the largest effects, and planted circuits."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from replications.circuits import (
    Circuit,
    Edge,
    Graph,
    Node,
    acdc,
    eap,
    edge_auroc,
    edge_sweep,
    edges_over,
    patch_edge_sets,
    random_edges,
    top_edges,
)
from replications.circuits.reference import edge_set_logits
from replications.errors import BadInput
from replications.models.network import Network
from replications.patching import Execution
from tests.random_models import SHAPES, network, state_dict, tokens

ANSWERS = torch.tensor([[0, 1], [3, 2], [4, 5]])
SMALL = replace(SHAPES["gpt"], n_layers=2, n_heads=2)


def pair() -> tuple[Tensor, Tensor]:
    return tokens("gpt", seed=1), tokens("gpt", seed=2)


def small() -> Network:
    return Network.from_state_dict(SMALL, state_dict(SMALL))


# ---------------------------------------------------------------------------------- ACDC
def _damage(logits: Tensor, whole: Tensor, kind: str) -> float:
    last, first = logits[:, -1], whole[:, -1]
    if kind == "kl":
        p, q = first.log_softmax(-1), last.log_softmax(-1)
        return float((p.exp() * (p - q)).sum(-1).mean())
    chosen, of_whole = (part.gather(1, ANSWERS) for part in (last, first))
    fall = float(((of_whole[:, 0] - of_whole[:, 1]) - (chosen[:, 0] - chosen[:, 1])).mean())
    return abs(fall) if kind == "distance" else fall


def one_by_one(
    model: Network, runs: tuple[Tensor, Tensor], threshold: float, kind: str
) -> set[Edge]:
    """What ACDC keeps, by one forward pass for each edge."""
    graph, removed, now = Graph(model.shape), set[Edge](), 0.0
    whole = edge_set_logits(model, *runs, removed)
    order: list[tuple[Node, Any]] = [(Node("logits"), None)]
    for layer in (1, 0):
        heads = [Node("head", layer, head) for head in (1, 0)]
        order += [(Node("mlp", layer), None)]
        order += [(node, name) for name in ("v", "k", "q") for node in heads]
    for node, name in order:
        for sender in reversed(graph.senders):
            edge = Edge(sender, node, name)
            if edge not in graph.edges:
                continue
            found = _damage(edge_set_logits(model, *runs, removed | {edge}), whole, kind)
            if found - now < threshold:
                removed.add(edge)
                now = found
    return set(graph.edges) - removed


@pytest.mark.sampled(3)
@pytest.mark.parametrize("damage", ["fall", "distance", "kl"])
@pytest.mark.parametrize("threshold", [0.003, 0.03])
def test_acdc_is_that_of_testing_edges_one_by_one(damage: Any, threshold: float) -> None:
    model, runs = small(), pair()
    found = acdc(model, *runs, threshold, answers=ANSWERS, damage=damage)
    assert set(found.edges) == one_by_one(model, runs, threshold, damage)
    assert 0 < len(found) < len(Graph(SMALL).edges)
    left = edge_set_logits(model, *runs, set(Graph(SMALL).edges) - set(found.edges))
    whole = model.forward(runs[0])
    assert found.damage == pytest.approx(_damage(left, whole, damage), abs=1e-10)


@pytest.mark.slow
def test_acdc_does_not_depend_on_memory() -> None:
    model, runs = small(), pair()
    found = acdc(model, *runs, 0.02, answers=ANSWERS)
    assert 0 < len(found) < len(Graph(SMALL).edges)
    low = acdc(model, *runs, 0.02, answers=ANSWERS, execution=Execution(memory_mb=0.01))
    assert (found.kept == low.kept).all()


def test_extreme_thresholds_keep_nothing_or_all() -> None:
    model, runs = small(), pair()
    assert len(acdc(model, *runs, math.inf, answers=ANSWERS)) == 0
    assert len(acdc(model, *runs, -math.inf, answers=ANSWERS)) == len(Graph(SMALL).edges)


# ---------------------------------------------------------------------------------- planted
def planted() -> tuple[Network, set[Edge]]:
    """A model in which only two chains do anything, and their edges.

    Token identity goes from the embedding through the values of head 0.1 into MLP 1 and on to the
    logits, and straight from the embedding to the logits; all other matrices are zero.
    """
    weights = {name: value.clone() for name, value in state_dict(SMALL, biases=False).items()}
    for name, value in weights.items():
        if "W_V" in name or "W_O" in name:
            value[0] = 0.0
            if name.startswith("blocks.1"):
                value[1] = 0.0
        if "mlp" in name and name.startswith("blocks.0"):
            value[:] = 0.0
        if "W_Q" in name or "W_K" in name:
            value[:] = 0.0
    embed, head, mlp = Node("embed"), Node("head", 0, 1), Node("mlp", 1)
    edges = {
        Edge(embed, head, "v"), Edge(head, mlp), Edge(embed, mlp), Edge(mlp, Node("logits")),
        Edge(head, Node("logits")), Edge(embed, Node("logits")),
    }  # fmt: skip
    return Network.from_state_dict(SMALL, weights), edges


def test_exact_edges_and_acdc_find_a_planted_circuit() -> None:
    model, edges = planted()
    found = edge_sweep(model, *pair(), answers=ANSWERS)
    sizes = found.effects().abs()
    true = torch.tensor([edge in edges for edge in found.edges])
    assert edge_auroc(found, Circuit.of(model, edges)) == 1
    assert edge_auroc(eap(model, *pair(), answers=ANSWERS), Circuit.of(model, edges)) == 1
    assert edge_auroc(found, Circuit.of(model, edges), by="fall") < 1
    with pytest.raises(BadInput, match="outside"):
        edge_auroc(found, Circuit.of(model, []))
    assert sizes[~true].max() < 1e-12
    assert set(top_edges(model, found, len(edges)).edges) == edges
    assert set(edges_over(model, found, 1e-9).edges) == edges
    assert set(acdc(model, *pair(), 1e-9, answers=ANSWERS, damage="kl").edges) == edges
    circuit = Circuit.of(model, edges)
    alone = patch_edge_sets(model, *pair(), circuit.patched[None], answers=ANSWERS)
    assert (alone.values - alone.base).abs().max() < 1e-12


# ---------------------------------------------------------------------------------- largest effects
def test_circuits_of_the_largest_effects() -> None:
    model, runs = network("gpt"), pair()
    for found in (edge_sweep(model, *runs, answers=ANSWERS), eap(model, *runs, answers=ANSWERS)):
        effects = dict(zip(found.edges, found.effects().tolist(), strict=True))
        ten = top_edges(model, found, 10)
        rest = set(found.edges) - set(ten.edges)
        assert len(ten) == len(ten.edges) == 10
        limit = max(abs(effects[edge]) for edge in rest)
        assert min(abs(effects[edge]) for edge in ten.edges) >= limit
        assert set(edges_over(model, found, limit).edges) == set(ten.edges)
        falls = edges_over(model, found, 0.0, by="fall")
        assert set(falls.edges) == {edge for edge in effects if effects[edge] < 0}
        rises = edges_over(model, found, 0.0, by="rise")
        assert set(rises.edges) == {edge for edge in effects if effects[edge] > 0}


def test_random_circuits_have_the_size_that_was_asked_for() -> None:
    one, same, other = (random_edges(SMALL, 9, seed=seed) for seed in (0, 0, 1))
    assert len(one) == len(one.edges) == 9
    assert (one.kept == same.kept).all()
    assert (one.kept != other.kept).any()
    with pytest.raises(BadInput, match="between 0"):
        random_edges(SMALL, 1000, seed=0)


def test_edges_on_no_path_are_left_out() -> None:
    embed, head, mlp, logits = Node("embed"), Node("head", 0, 1), Node("mlp", 1), Node("logits")
    path = [Edge(embed, head, "k"), Edge(head, mlp), Edge(mlp, logits)]
    unread = [Edge(embed, Node("head", 1, 0), "q"), Edge(head, Node("head", 1, 0), "v")]
    without_input = [
        Edge(Node("mlp", 0), Node("head", 1, 1), "v"),
        Edge(Node("head", 1, 1), logits),
    ]
    circuit = Circuit.of(SMALL, [*path, *unread, *without_input])
    assert set(circuit.connected().edges) == set(path)
    assert len(Circuit.of(SMALL, unread).connected()) == 0


def test_circuits_of_nodes_ablate_all_others() -> None:
    graph = Graph(SMALL)
    heads = Circuit.of_heads(SMALL, [(0, 1)])
    ablated = [Node("head", 0, 0), Node("head", 1, 0), Node("head", 1, 1)]
    assert (heads.patched == graph.out_of(ablated)).all()
    nodes = [node for node in graph.senders if node not in ablated]
    assert (Circuit.of_nodes(SMALL, nodes).kept == heads.kept).all()


def test_impossible_arguments_are_refused() -> None:
    model, runs = small(), pair()
    found = edge_sweep(model, *runs, answers=ANSWERS)
    logits = edge_sweep(model, *runs, answers=ANSWERS[:, [0, 1, 0]])
    wrong: list[Any] = [
        lambda: top_edges(model, found, 1000),
        lambda: top_edges(model, found, -1),
        lambda: top_edges(model, found, 3, by="size of"),  # type: ignore[arg-type]
        lambda: top_edges(model, logits, 3),
        lambda: edges_over(model, found, math.nan),
        lambda: acdc(model, *runs, math.nan, answers=ANSWERS),
        lambda: acdc(model, *runs, 0.1, answers=ANSWERS, damage="loss"),  # type: ignore[arg-type]
        lambda: acdc(model, *runs, 0.1, answers=ANSWERS[:, :1]),
    ]
    for call in wrong:
        with pytest.raises(BadInput):
            call()
