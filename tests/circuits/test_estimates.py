"""EAP against small steps along each edge, EAP-IG against gradients of plain runs."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from replications.circuits import (
    Edge,
    Graph,
    Node,
    NodeOutputs,
    eap,
    eap_ig,
    edge_sweep,
    node_outputs,
    patch_edge_sets,
)
from replications.errors import BadInput
from replications.models import sites
from replications.models.edits import Edit
from replications.models.network import Network
from replications.patching import Execution, agreement
from tests.random_models import EVERY, network, pair, positions

ANSWERS = torch.tensor([[0, 1], [3, 2], [4, 5]])


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", EVERY)
def test_eap_is_the_slope_along_every_edge(name: str) -> None:
    model, (base, source), at = network(name), pair(name), positions(name)
    graph, step = Graph(model.shape), 1e-5
    found = eap(model, base, source, answers=ANSWERS, at=at)
    ours, theirs = (node_outputs(model, part).values for part in (base, source))
    near, far = (
        patch_edge_sets(
            model, base, NodeOutputs(ours + sign * step * (theirs - ours)),
            [[edge] for edge in graph.edges], answers=ANSWERS, at=at,
        ).values
        for sign in (1, -1)
    )  # fmt: skip
    slope = (near - far) / (2 * step)
    assert (found.values - found.base - slope).abs().max() < 1e-6
    assert slope.std() > 0.01


def _gradients_at(model: Network, base: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients by the inputs of MLP 1 and of the queries of head 2.1, [batch pos d_model] each."""

    def put(current: Tensor, rows: slice) -> Tensor:
        return embedding.clone().requires_grad_()

    seen = model.cache(base, [Edit(sites.EMBED(), put)])
    final = model.norm("ln_final", None, seen[sites.RESID_POST(2)][:, -1]) @ model.W_U
    logits = (final + model.b_U).gather(1, ANSWERS)
    metric = (logits[:, 0] - logits[:, 1]).sum()
    out, q = torch.autograd.grad(metric, [seen[sites.MLP_OUT(1)], seen[sites.Q(2)]])
    x = seen[sites.RESID_MID(1)].detach().requires_grad_()
    hidden = F.gelu(model.norm("ln2", 1, x) @ model.W_in[1] + model.b_in[1], approximate="tanh")
    (mlp,) = torch.autograd.grad(hidden @ model.W_out[1], x, out)
    x = seen[sites.RESID_PRE(2)].detach().requires_grad_()
    (head,) = torch.autograd.grad(model.norm("ln1", 2, x) @ model.W_Q[2, 1], x, q[:, :, 1])
    return mlp, head


@pytest.mark.parametrize("steps", [1, 3])
def test_eap_ig_has_the_mean_gradient_of_interpolated_inputs(steps: int) -> None:
    model, (base, source) = network("gpt"), pair("gpt")
    edges = [
        Edge(Node("head", 0, 2), Node("mlp", 1)),
        Edge(Node("embed"), Node("mlp", 1)),
        Edge(Node("mlp", 1), Node("head", 2, 1), "q"),
    ]
    found = eap_ig(model, base, source, edges, answers=ANSWERS, steps=steps)
    ours, theirs = model.W_E[base], model.W_E[source]
    shares = [(i + 1) / steps for i in range(steps)]
    both = [_gradients_at(model, base, theirs + s * (ours - theirs)) for s in shares]
    mlp, head = (torch.stack(part).mean(0) for part in zip(*both, strict=True))
    change = node_outputs(model, source).values - node_outputs(model, base).values
    graph = Graph(model.shape)
    for edge, slope, value in zip(edges, (mlp, mlp, head), found.values, strict=True):
        expected = (change[graph.sender(edge.sender)] * slope).sum((1, 2))
        assert (value - found.base - expected).abs().max() < 1e-10


def test_one_step_is_eap_and_chunks_change_nothing() -> None:
    model, runs = network("gpt"), pair("gpt")
    one = eap(model, *runs, answers=ANSWERS)
    assert (one.values == eap_ig(model, *runs, answers=ANSWERS, steps=1).values).all()
    small = eap(model, *runs, answers=ANSWERS, execution=Execution(memory_mb=0.001))
    assert (one.values - small.values).abs().max() < 1e-12


def test_estimates_are_compared_with_the_exact_sweep() -> None:
    model, runs = network("gpt"), pair("gpt")
    exact = edge_sweep(model, *runs, answers=ANSWERS)
    estimate = eap(model, *runs, answers=ANSWERS)
    assert (estimate.base - exact.base).abs().max() < 1e-10
    assert (estimate.source - exact.source).abs().max() < 1e-10
    # The last LayerNorm alone bends edges into the logits: they are nearly what is estimated.
    found = agreement(estimate, exact, k=20)
    assert 0.5 < found.spearman < 1
    assert 0.5 < found.recall <= 1
    same = agreement(exact, exact, k=20)
    assert same.spearman == pytest.approx(1)
    assert same.recall == 1


def test_impossible_arguments_are_refused() -> None:
    model, runs = network("gpt"), pair("gpt")
    with pytest.raises(BadInput, match="at least one"):
        eap_ig(model, *runs, answers=ANSWERS, steps=0)
    with pytest.raises(BadInput, match="give two"):
        eap(model, *runs, answers=ANSWERS[:, [0, 1, 0]])
