"""Sets of edges against a forward pass that is written node by node, on every architecture."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from replications.circuits import (
    Graph,
    Node,
    NodeOutputs,
    edge_sweep,
    node_outputs,
    patch_edge_sets,
)
from replications.circuits.reference import edge_set_logits
from replications.errors import BadInput
from replications.models import sites
from replications.models.network import Network
from replications.patching import Execution, Grid, sweep
from tests.random_models import EVERY, network, pair, positions

EXACT = 1e-10
ANSWERS = torch.tensor([[0, 1], [3, 2], [4, 5]])
MODELS = pytest.mark.parametrize("name", EVERY)


def random_sets(graph: Graph, shares: list[float]) -> Tensor:
    """Sets of edges, bool [set receiver sender], each with a share of all."""
    generator = torch.Generator().manual_seed(0)
    draws = torch.rand(len(shares), *graph.every.shape, generator=generator)
    return (draws < torch.tensor(shares)[:, None, None]) & graph.every


def slowly(model: Network, runs: tuple[Tensor, Tensor], patched: Tensor, at: Tensor) -> Tensor:
    """The metric of one set: [batch]."""
    edges = set(Graph(model.shape).of_mask(patched))
    chosen = edge_set_logits(model, *runs, edges)[torch.arange(3), at].gather(1, ANSWERS)
    return chosen[:, 0] - chosen[:, 1]


@pytest.mark.sampled(3)
@MODELS
def test_sets_are_those_of_a_pass_node_by_node(name: str) -> None:
    model, runs, at = network(name), pair(name), positions(name)
    sets = random_sets(Graph(model.shape), [0.02, 0.1, 0.5, 0.9])
    found = patch_edge_sets(model, *runs, sets, answers=ANSWERS, at=at)
    slow = torch.stack([slowly(model, runs, some, at) for some in sets])
    assert (found.values - slow).abs().max() < EXACT
    assert (found.values - found.base).std() > 0.1


@pytest.mark.sampled(3)
@MODELS
def test_a_single_edge_is_that_of_the_sweep(name: str) -> None:
    model, runs, at = network(name), pair(name), positions(name)
    graph = Graph(model.shape)
    some = graph.edges[::9]
    alone = edge_sweep(model, *runs, some, answers=ANSWERS, at=at)
    found = patch_edge_sets(model, *runs, [[edge] for edge in some], answers=ANSWERS, at=at)
    assert (found.values - alone.values).abs().max() < EXACT


@MODELS
def test_all_edges_make_the_source_run_and_none_the_base_run(name: str) -> None:
    model, runs, at = network(name), pair(name), positions(name)
    found = patch_edge_sets(model, *runs, [[]], answers=ANSWERS, at=at)
    for tokens_of, metric in zip(runs, (found.base, found.source), strict=True):
        logits = model.forward(tokens_of)[torch.arange(3), at].gather(1, ANSWERS)
        assert (metric - (logits[:, 0] - logits[:, 1])).abs().max() < EXACT
    assert (found.values[0] - found.base).abs().max() < EXACT


@pytest.mark.parametrize("name", ["gpt", "shortformer"])
def test_all_edges_out_of_a_head_are_its_activation_patch(name: str) -> None:
    model, runs = network(name), pair(name)
    graph = Graph(model.shape)
    heads = sweep(model, *runs, Grid(sites.Z, "layer head"), ANSWERS)
    sets = torch.stack([graph.out_of([Node("head", i, j)]) for i in range(3) for j in range(3)])
    found = patch_edge_sets(model, *runs, sets, answers=ANSWERS)
    assert (found.values - heads.values.flatten(0, 1)).abs().max() < EXACT


@pytest.mark.parametrize("name", ["gpt", "padded"])
def test_blocks_do_not_change_results(name: str) -> None:
    model, runs, at = network(name), pair(name), positions(name)
    sets, calls = random_sets(Graph(model.shape), [0.1, 0.3, 0.6]), []
    whole = patch_edge_sets(model, *runs, sets, answers=ANSWERS, at=at)
    small = Execution(memory_mb=0.001, progress=lambda done, of: calls.append((done, of)))
    parts = patch_edge_sets(model, *runs, sets, answers=ANSWERS, at=at, execution=small)
    assert (whole.values - parts.values).abs().max() < 1e-12
    assert calls[-1] == (9, 9)
    assert len(calls) == 9


# ---------------------------------------------------------------------------------- ablation
def test_outputs_as_a_source_are_those_of_the_tokens() -> None:
    model, (base, source) = network("gpt"), pair("gpt")
    sets = random_sets(Graph(model.shape), [0.2, 0.8])
    given = node_outputs(model, source)
    by_outputs = patch_edge_sets(model, base, given, sets, answers=ANSWERS)
    by_tokens = patch_edge_sets(model, base, source, sets, answers=ANSWERS)
    assert (by_outputs.values - by_tokens.values).abs().max() < EXACT
    assert (by_outputs.source - by_tokens.source).abs().max() < EXACT


def test_means_of_outputs_ablate_heads() -> None:
    model, (base, source) = network("gpt"), pair("gpt")
    outputs = node_outputs(model, source)
    zs = model.cache(source)[sites.Z(1)].mean(0)
    means = outputs.mean()
    assert means.values.shape == (13, 1, 6, 12)
    assert (means.values[5 + 2, 0] - zs[:, 2] @ model.W_O[1, 2]).abs().max() < EXACT
    over_all = outputs.mean(by_position=False).values
    assert (over_all[:, :, 3] - means.values.mean(2)).abs().max() < EXACT
    assert outputs.zero().values.shape == means.values.shape
    sets = Graph(model.shape).out_of([Node("head", 1, 2)])[None]
    found = patch_edge_sets(model, base, means, sets, answers=ANSWERS)
    each = NodeOutputs(means.values.expand(-1, 3, -1, -1))
    same = patch_edge_sets(model, base, each, sets, answers=ANSWERS)
    assert (found.values - same.values).abs().max() < EXACT
    assert (found.values - found.base).abs().max() > 0.01


# ---------------------------------------------------------------------------------- bad input
def test_arguments_that_do_not_fit_are_refused() -> None:
    model, (base, source) = network("gpt"), pair("gpt")
    graph = Graph(model.shape)
    wrong: list[Any] = [[], graph.every, ~graph.every[None], graph.every[None].long()]
    for sets in wrong:
        with pytest.raises(BadInput):
            patch_edge_sets(model, base, source, sets, answers=ANSWERS)
    outputs = node_outputs(model, source).values
    for values in (outputs[1:], outputs[:, :2], outputs[0]):
        with pytest.raises(BadInput):
            patch_edge_sets(model, base, NodeOutputs(values), [[]], answers=ANSWERS)
