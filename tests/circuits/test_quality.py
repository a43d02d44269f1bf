"""Faithfulness, completeness, minimality and curves, against plain runs and numbers by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from replications.circuits import (
    Circuit,
    Curve,
    Edge,
    Graph,
    Node,
    NodeOutputs,
    Prompts,
    completeness,
    edge_sweep,
    faithfulness,
    faithfulness_curve,
    minimality,
    node_outputs,
    patch_edge_sets,
    worst_part,
)
from replications.circuits.quality import SHARES
from replications.circuits.reference import edge_set_logits
from replications.errors import BadInput
from replications.models import sites
from replications.models.edits import Edit
from replications.models.network import Network
from tests.random_models import SHAPES, state_dict, tokens

EXACT = 1e-10
ANSWERS = torch.tensor([[0, 1], [3, 2], [4, 5]])
SMALL = replace(SHAPES["gpt"], n_layers=2, n_heads=2)
MODEL = Network.from_state_dict(SMALL, state_dict(SMALL))
BASE, SOURCE = tokens("gpt", seed=1), tokens("gpt", seed=2)
PROMPTS = Prompts(BASE, SOURCE, ANSWERS)


def metric(logits: Tensor) -> Tensor:
    chosen = logits[:, -1].gather(1, ANSWERS)
    return chosen[:, 0] - chosen[:, 1]


def without(edges: set[Edge]) -> Tensor:
    """The metric with edges patched, by a plain pass: [batch]."""
    return metric(edge_set_logits(MODEL, BASE, SOURCE, edges))


def edges_out_of(*nodes: Node) -> set[Edge]:
    return {edge for edge in Graph(SMALL).edges if edge.sender in nodes}


# ---------------------------------------------------------------------------------- faithfulness
def _mean_ablated(heads: list[tuple[int, int]], somewhere: tuple[int, int]) -> Tensor:
    """The metric with z of heads at its mean; of the head `somewhere`, before the last position."""
    runs = MODEL.cache(SOURCE)

    def edit(layer: int, head: int, pos: slice) -> Edit:
        mean = runs[sites.Z(layer)][:, pos, head].mean(0)
        place = sites.Z(layer).pick(head=head, pos=pos)
        return Edit(place, lambda current, rows: mean.expand_as(current))

    edits = [edit(*head, slice(None)) for head in heads]
    return metric(MODEL.forward(BASE, [*edits, edit(*somewhere, slice(0, -1))]))


def test_a_circuit_of_heads_at_positions_is_that_of_ablating_the_others() -> None:
    circuit = Circuit.of_heads(MODEL, [(0, 1), (1, 0)])
    source = node_outputs(MODEL, SOURCE).mean()
    graph = Graph(SMALL)
    ablated_at = torch.zeros(graph.n_senders, 1, 6, dtype=torch.bool)
    ablated_at[graph.sender(Node("head", 0, 1)), :, :-1] = True
    prompts = Prompts(BASE, source, ANSWERS)
    found = faithfulness(MODEL, circuit, prompts, ablated_at=ablated_at)
    slow = _mean_ablated([(0, 0), (1, 1)], (0, 1))
    assert (found.circuit - slow).abs().max() < EXACT
    assert (found.whole - metric(MODEL.forward(BASE))).abs().max() < EXACT
    elsewhere = faithfulness(MODEL, circuit, prompts)
    assert (elsewhere.circuit - found.circuit).abs().max() > 1e-3


def test_positions_that_are_ablated_in_every_set_are_those_of_the_patched_outputs() -> None:
    graph = Graph(SMALL)
    draw = torch.Generator().manual_seed(0)
    sets = (torch.rand(2, *graph.every.shape, generator=draw) < 0.3) & graph.every
    ablated_at = torch.rand(graph.n_senders, 3, 6, generator=draw) < 0.5
    whole = torch.ones_like(ablated_at)
    options: dict[str, Any] = {"answers": ANSWERS}
    every = patch_edge_sets(MODEL, BASE, SOURCE, sets, ablated_at=whole, **options)
    assert (every.values - every.source).abs().max() < EXACT
    none = patch_edge_sets(MODEL, BASE, SOURCE, sets, ablated_at=~whole, **options)
    plain = patch_edge_sets(MODEL, BASE, SOURCE, sets, **options)
    assert (none.values - plain.values).abs().max() < EXACT
    # Positions alone: what senders write is put in there, in the order of the model.
    some = patch_edge_sets(MODEL, BASE, SOURCE, [[]], ablated_at=ablated_at, **options)
    outputs = node_outputs(MODEL, SOURCE).values
    assert (some.values[0] - _with_outputs(graph, outputs, ablated_at)).abs().max() < EXACT


def _with_outputs(graph: Graph, outputs: Tensor, at: Tensor) -> Tensor:
    """The metric of a run in which senders write given outputs at some positions."""
    source = MODEL.cache(SOURCE)
    edits = []
    for number, node in enumerate(graph.senders):
        place = {"embed": sites.EMBED, "mlp": sites.MLP_OUT, "head": sites.Z}[node.kind](node.layer)
        if node.kind == "head":
            value, place = source[place][:, :, node.head], place.pick(head=node.head or 0)
        else:
            # The embedding is that of the token and its position, the site that of the token.
            value = source[place] if node.kind == "embed" else outputs[number]
        where = at[number, :, :, None]
        edits.append(
            Edit(place, lambda now, rows, v=value, w=where: torch.where(w, v, now))  # type: ignore[misc]
        )
    return metric(MODEL.forward(BASE, edits))


def test_faithfulness_says_three_things_with_intervals() -> None:
    edges = Graph(SMALL).edges[::3]
    found = faithfulness(MODEL, Circuit.of(MODEL, edges), PROMPTS)
    whole, nothing = metric(MODEL.forward(BASE)), metric(MODEL.forward(SOURCE))
    alone = without(set(Graph(SMALL).edges) - set(edges))
    assert (found.circuit - alone).abs().max() < EXACT
    assert found.gap().mean == pytest.approx(float((whole - alone).mean()))
    assert found.ratio().mean == pytest.approx(float(alone.mean() / whole.mean()))
    share = (alone - nothing).mean() / (whole - nothing).mean()
    assert found.recovered().mean == pytest.approx(float(share))
    for interval in (found.gap(), found.ratio(), found.recovered()):
        assert interval.low <= interval.mean <= interval.high
    assert found.ratio(seed=1) == found.ratio(seed=1)


# ------------------------------------------------------------------------ completeness, minimality
def test_completeness_and_minimality_are_those_of_plain_passes() -> None:
    circuit = Circuit.of_heads(MODEL, [(0, 1), (1, 0)])
    outside = edges_out_of(Node("head", 0, 0), Node("head", 1, 1))
    one, edge = Node("head", 0, 1), Edge(Node("embed"), Node("mlp", 1))
    parts: list[list[Node | Edge]] = [[one], [edge], [one, edge]]
    removed = [edges_out_of(one), {edge}, edges_out_of(one) | {edge}]
    found = completeness(MODEL, circuit, PROMPTS, parts)
    slow = torch.stack([without(outside | part) - without(part) for part in removed])
    assert (found.circuit - found.whole - slow).abs().max() < EXACT
    assert (found.gaps() - slow.mean(1)).abs().max() < EXACT
    assert found.interval(1).mean == pytest.approx(float(slow[1].mean()))

    alone = minimality(MODEL, circuit, PROMPTS, parts)
    falls = torch.stack([(without(outside) - without(outside | part)).mean() for part in removed])
    assert (alone.scores() - falls / without(set()).mean()).abs().max() < EXACT
    assert alone.interval(0).mean == pytest.approx(float(alone.scores()[0]))
    others = minimality(MODEL, circuit, PROMPTS, [[one]], [[edge]])
    expected = (without(outside | {edge}) - without(outside | removed[2])).mean()
    assert float(others.scores()[0] * without(set()).mean()) == pytest.approx(float(expected))


def test_the_worst_part_is_found_greedily() -> None:
    circuit = Circuit.of_heads(MODEL, [(0, 1), (1, 0)])
    candidates: list[list[Node | Edge]] = [
        [Node("head", 0, 1)], [Node("head", 1, 0)], [Node("mlp", 0)], [Node("mlp", 1)]
    ]  # fmt: skip
    chosen, gap = worst_part(MODEL, circuit, PROMPTS, candidates, steps=3)
    gaps = completeness(MODEL, circuit, PROMPTS, candidates).gaps()
    assert chosen[0] == int(gaps.abs().argmax())
    assert len(set(chosen)) == len(chosen) <= 3
    union = [node for i in chosen for node in candidates[i]]
    together = completeness(MODEL, circuit, PROMPTS, [union]).gaps()
    assert gap == pytest.approx(float(together[0]))
    assert abs(gap) >= float(gaps.abs().max()) - EXACT


def test_a_whole_model_is_faithful_and_complete_and_an_empty_circuit_is_not() -> None:
    whole, empty = Circuit.of(MODEL, Graph(SMALL).edges), Circuit.of(MODEL, [])
    assert faithfulness(MODEL, whole, PROMPTS).ratio().mean == pytest.approx(1)
    assert faithfulness(MODEL, empty, PROMPTS).recovered().mean == pytest.approx(0)
    gaps = completeness(MODEL, whole, PROMPTS, [[Node("mlp", 0)], [Node("head", 1, 1)]]).gaps()
    assert gaps.abs().max() < EXACT


# ---------------------------------------------------------------------------------- curves
def test_areas_are_those_of_trapezoids_by_hand() -> None:
    circuits = torch.tensor([[1.0, 3.0], [2.0, 4.0], [6.0, 8.0]])
    curve = Curve((0.1, 0.5, 1.0), (1, 5, 10), circuits, torch.full((2,), 5.0), torch.ones(2))
    # Means 2, 3, 7 between 1 and 5: faithfulness 1/4, 1/2, 3/2.
    assert curve.faithfulness.tolist() == [0.25, 0.5, 1.5]
    assert curve.cpr().mean == pytest.approx(0.4 * 0.375 + 0.5 * 1.0)
    assert curve.cmd().mean == pytest.approx(0.4 * 0.625 + 0.5 * 0.5)
    assert curve.cpr().low <= curve.cpr().mean <= curve.cpr().high


def test_curves_end_in_the_whole_model_and_grow() -> None:
    found = edge_sweep(MODEL, BASE, SOURCE, answers=ANSWERS)
    curve = faithfulness_curve(MODEL, found, PROMPTS)
    assert curve.shares == SHARES
    assert curve.sizes == tuple(sorted(curve.sizes))
    assert curve.sizes[-1] == len(found.edges)
    assert curve.faithfulness[-1].item() == pytest.approx(1)
    assert curve.faithfulness[0].item() == pytest.approx(0)
    few = faithfulness_curve(MODEL, found, PROMPTS, [0.2, 1])
    assert (few.circuits[0] - curve.circuits[7]).abs().max() < EXACT


def test_impossible_arguments_are_refused() -> None:
    circuit = Circuit.of_heads(MODEL, [(0, 1)])
    found = edge_sweep(MODEL, BASE, SOURCE, answers=ANSWERS)
    three = Prompts(BASE, SOURCE, ANSWERS[:, [0, 1, 0]])
    where = torch.zeros(7, 1, 6, dtype=torch.bool)
    wrong: list[Any] = [
        lambda: faithfulness(MODEL, circuit, three),
        lambda: faithfulness(MODEL, circuit, PROMPTS, ablated_at=where[1:]),
        lambda: faithfulness(MODEL, circuit, PROMPTS, ablated_at=where.long()),
        lambda: faithfulness(MODEL, circuit, PROMPTS, ablated_at=where[0]),
        lambda: completeness(MODEL, circuit, PROMPTS, []),
        lambda: completeness(MODEL, circuit, PROMPTS, [[Node("head", 2, 0)]]),
        lambda: minimality(MODEL, circuit, PROMPTS, [[Node("mlp", 0)]], []),
        lambda: faithfulness_curve(MODEL, found, PROMPTS, [0.5, 0.1]),
        lambda: faithfulness_curve(MODEL, found, PROMPTS, [0.5, 1.1]),
        lambda: faithfulness(MODEL, circuit, Prompts(BASE, NodeOutputs(torch.ones(3)), ANSWERS)),
    ]
    for call in wrong:
        with pytest.raises(BadInput):
            call()
