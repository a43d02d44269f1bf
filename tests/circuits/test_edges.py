"""Every edge against one forward pass each, on every architecture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from replications.circuits import (
    Edge,
    Graph,
    Node,
    edge_sweep,
    edges,
    expected_edge_flops,
    patch_edge_sets,
)
from replications.circuits.reference import edge_logits, edge_metric
from replications.errors import BadInput
from replications.models.network import Network
from replications.models.shape import Shape
from replications.patching import Execution
from replications.patching._engine.gemm import onednn_works
from tests.random_models import EVERY, SHAPES, lens, network, pair, positions, state_dict
from tests.random_shapes import modern

EXACT = 1e-10
ANSWERS = torch.tensor([[0, 1], [3, 2], [4, 5]])


# ---------------------------------------------------------------------------------- exactness
@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", EVERY)
def test_every_edge_is_that_of_one_forward_pass(name: str) -> None:
    model, runs, at = network(name), pair(name), positions(name)
    found = edge_sweep(model, *runs, answers=ANSWERS, at=at)
    slow = edge_metric(model, *runs, edges(model), ANSWERS, at)
    assert found.values.shape == slow.shape
    assert (found.values - slow).abs().max() < EXACT
    assert (found.values - found.base).std() > 0.01


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("biases", [False, True])
def test_folded_layernorms_and_absent_biases(folded: bool, biases: bool) -> None:
    model, runs = network("gpt", folded=folded, biases=biases), pair("gpt")
    some = edges(model)[::7]
    found = edge_sweep(model, *runs, some, answers=ANSWERS)
    slow = edge_metric(model, *runs, some, ANSWERS, torch.full((3,), 5))
    assert (found.values - slow).abs().max() < EXACT


@pytest.mark.parametrize("backend", ["torch", "onednn"])
def test_float32_is_within_a_ten_thousandth(backend: Any) -> None:
    if backend == "onednn" and not onednn_works():
        pytest.skip("this torch has no oneDNN products that agree with F.linear")
    model, runs = network("gpt"), pair("gpt")
    exact = edge_sweep(model, *runs, answers=ANSWERS)
    single = edge_sweep(
        model, *runs, answers=ANSWERS, execution=Execution(dtype=torch.float32, backend=backend)
    )
    assert single.values.dtype == torch.float32
    assert (exact.values - single.values).abs().max() < 1e-4


def test_a_lens_is_swept_as_its_network() -> None:
    found = edge_sweep(lens("gpt"), *pair("gpt"), answers=ANSWERS)
    same = edge_sweep(network("gpt"), *pair("gpt"), answers=ANSWERS)
    assert (found.values - same.values).abs().max() < EXACT


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ["gpt", "padded", "shortformer"])
def test_chunks_do_not_change_results(name: str) -> None:
    model, runs, at = network(name), pair(name), positions(name)
    calls: list[tuple[int, int]] = []
    whole = edge_sweep(model, *runs, answers=ANSWERS, at=at)
    small = Execution(memory_mb=0.01, progress=lambda done, of: calls.append((done, of)))
    parts = edge_sweep(model, *runs, answers=ANSWERS, at=at, execution=small)
    assert (whole.values - parts.values).abs().max() < 1e-12
    assert parts.flops == whole.flops
    assert len(calls) > 50
    assert calls[-1] == (len(whole.edges) * 3,) * 2


def test_some_edges_in_any_order_are_those_of_all() -> None:
    model, runs = network("gpt"), pair("gpt")
    whole = edge_sweep(model, *runs, answers=ANSWERS)
    some = [*whole.edges[::-5], whole.edges[3]]
    found = edge_sweep(model, *runs, some, answers=ANSWERS)
    where = [whole.edges.index(edge) for edge in some]
    assert found.labels["edge"] == tuple(map(str, some))
    assert (found.values - whole.values[where]).abs().max() < 1e-12


def test_other_numbers_of_answers_are_logits() -> None:
    model, runs = network("gpt"), pair("gpt")
    both = edge_sweep(model, *runs, answers=ANSWERS)
    three = edge_sweep(model, *runs, answers=ANSWERS[:, [0, 1, 0]])
    assert three.values.shape == (*both.values.shape, 3)
    assert (three.values[..., 0] - three.values[..., 1] - both.values).abs().max() < 1e-12


@pytest.mark.parametrize("name", ["gpt", "padded", "shortformer"])
def test_a_metric_of_the_logits_is_that_of_one_forward_pass(name: str) -> None:
    model, runs, at = network(name), pair(name), positions(name)
    some = edges(model)[::9]
    rows = torch.arange(3)

    def entropy(logits: Tensor) -> Tensor:
        logs = logits.log_softmax(-1)
        return -(logs.exp() * logs).sum(-1) * (1 + torch.arange(3))  # depends on the example

    small = Execution(memory_mb=0.01)
    found = edge_sweep(model, *runs, some, metric=entropy, at=at, execution=small)
    slow = [entropy(edge_logits(model, *runs, edge)[rows, at]) for edge in some]
    assert (found.values - torch.stack(slow)).abs().max() < EXACT
    assert (found.base - entropy(model.forward(runs[0])[rows, at])).abs().max() < EXACT
    assert (found.source - entropy(model.forward(runs[1])[rows, at])).abs().max() < EXACT
    assert found.effects().shape == (len(some),)


def test_answers_or_a_metric_are_needed_and_the_metric_is_by_example() -> None:
    model, runs = network("gpt"), pair("gpt")
    for answers, metric in ((None, None), (ANSWERS, lambda logits: logits[:, 0])):
        with pytest.raises(BadInput, match="not both"):
            edge_sweep(model, *runs, answers=answers, metric=metric)
    with pytest.raises(BadInput, match="one number for each of 3"):
        edge_sweep(model, *runs, metric=lambda logits: logits.mean())


def test_prompts_that_differ_behind_the_metric_change_nothing() -> None:
    model, (base, source) = network("gpt"), pair("gpt")
    found = edge_sweep(model, base, source, answers=ANSWERS, at=1)
    assert (found.values == found.base).all()
    assert (found.source - found.base).abs().max() < EXACT
    assert found.flops == expected_edge_flops(model, base, source, at=1)
    calls: list[tuple[int, int]] = []
    how = Execution(progress=lambda done, of: calls.append((done, of)))
    edge_sweep(model, base, source, answers=ANSWERS, at=1, execution=how)
    assert calls == [(len(found.edges) * 3,) * 2]


# ---------------------------------------------------------------------------------- arithmetic
@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", EVERY)
def test_the_counted_arithmetic_is_that_of_the_formula(name: str) -> None:
    model, runs, at = network(name), pair(name), positions(name)
    found = edge_sweep(model, *runs, answers=ANSWERS, at=at)
    assert found.flops == expected_edge_flops(model, *runs, at=at)
    some = edges(model)[::11]
    found = edge_sweep(model, *runs, some, answers=ANSWERS, at=at)
    assert found.flops == expected_edge_flops(model, *runs, some, at=at)


# ---------------------------------------------------------------------------------- the graph
def test_gpt2_small_has_as_many_edges_as_published() -> None:
    shape = replace(SHAPES["gpt"], n_layers=12, n_heads=12)
    assert len(edges(shape)) == 32_491


@pytest.mark.parametrize("name", ["gpt", "attention_only"])
def test_nodes_and_edges_are_found_again_by_their_numbers(name: str) -> None:
    graph = Graph(EVERY[name])
    assert [graph.sender(node) for node in graph.senders] == list(range(graph.n_senders))
    numbers = [graph.receiver(*receiver) for receiver in graph.receivers]
    assert numbers == list(range(graph.n_receivers))
    assert tuple(graph.of_mask(graph.mask(graph.edges))) == graph.edges
    assert len(set(map(str, graph.edges))) == len(graph.edges) == graph.every.sum()
    assert tuple(Edge.parse(str(edge)) for edge in graph.edges) == graph.edges


@pytest.mark.parametrize("name", ["0.1", "0.1 -> 2", "x -> logits", "0.1 -> mlp", "0.1->1.1.q"])
def test_names_of_no_edge_are_refused(name: str) -> None:
    with pytest.raises(BadInput, match="write"):
        Edge.parse(name)


@pytest.mark.parametrize(
    "edge",
    [
        Edge(Node("head", 1, 0), Node("head", 1, 1), "q"),
        Edge(Node("mlp", 0), Node("mlp", 0)),
        Edge(Node("embed"), Node("head", 0, 0)),
        Edge(Node("embed"), Node("mlp", 0), "q"),
        Edge(Node("embed"), Node("head", 0, 3), "v"),
        Edge(Node("logits"), Node("mlp", 0)),
        Edge(Node("embed"), Node("embed")),
        Edge(Node("mlp", 3), Node("logits")),
    ],
    ids=str,
)
def test_edges_that_the_model_lacks_are_refused(edge: Edge) -> None:
    with pytest.raises(BadInput):
        edge_sweep(network("gpt"), *pair("gpt"), [edge], answers=ANSWERS)


def test_no_edges_are_refused() -> None:
    with pytest.raises(BadInput, match="at least one edge"):
        edge_sweep(network("gpt"), *pair("gpt"), [], answers=ANSWERS)


def test_larger_models_with_wider_heads() -> None:
    shape = replace(SHAPES["gpt"], n_layers=4, n_heads=2, d_head=7)
    model, runs = Network.from_state_dict(shape, state_dict(shape)), pair("gpt")
    some = edges(model)[::5]
    found = edge_sweep(model, *runs, some, answers=ANSWERS)
    slow = edge_metric(model, *runs, some, ANSWERS, torch.full((3,), 5))
    assert (found.values - slow).abs().max() < EXACT


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """A random architecture, prompts with a shared prefix, and where the metric is read."""
    kind = draw(st.sampled_from(["mlps", "attention", "shortformer"]))
    length = draw(st.integers(1, 5))
    shape = Shape(
        n_layers=draw(st.integers(1, 3)), n_heads=draw(st.integers(1, 3)), d_model=6, d_head=4,
        d_mlp=5 if kind == "mlps" else 0, n_ctx=6, d_vocab=5, d_vocab_out=4, act_fn="gelu_new",
        attn_only=kind != "mlps", normalization=None if kind == "shortformer" else "LN",
        positions="shortformer" if kind == "shortformer" else "standard",
        attention=draw(st.sampled_from(["causal", "bidirectional"])),
    )  # fmt: skip
    shape = draw(st.just(shape) | modern(shape))
    batch, prefix = draw(st.integers(1, 3)), draw(st.integers(0, length))
    draws = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    base, source = torch.randint(5, (2, batch, length), generator=draws)
    source[:, :prefix] = base[:, :prefix]
    return {
        "shape": shape, "base": base, "source": source,
        "at": torch.randint(length, (batch,), generator=draws),
        "answers": torch.tensor([[0, 1], [3, 2], [1, 3]])[:batch],
        "memory_mb": draw(st.sampled_from([0.002, 256])),
    }  # fmt: skip


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(problems())
def test_random_models_and_prompts(problem: dict[str, Any]) -> None:
    model = Network.from_state_dict(problem["shape"], state_dict(problem["shape"]))
    runs, at, answers = (problem["base"], problem["source"]), problem["at"], problem["answers"]
    some = edges(model)[::3]
    found = edge_sweep(
        model,
        *runs,
        some,
        answers=answers,
        at=at,
        execution=Execution(memory_mb=problem["memory_mb"]),
    )
    assert (found.values - edge_metric(model, *runs, some, answers, at)).abs().max() < EXACT
    sets = patch_edge_sets(model, *runs, [[edge] for edge in some], answers=answers, at=at)
    assert (found.values - sets.values).abs().max() < EXACT
