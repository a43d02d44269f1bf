"""Edges by plain forward passes: one for each edge or set of edges, nothing clever.

The definition that `edges` and `edge_sets` compute fast, and the oracle of their tests.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from replications.circuits.graph import INPUTS, Edge, Graph, Input, Node
from replications.models import sites
from replications.models.edits import Edit, put_rows
from replications.models.network import Network
from replications.models.sites import Place

Activations = dict[Place, Tensor]


def written(network: Network, seen: Activations, node: Node) -> Tensor:
    """What a node writes in a run whose activations were kept, without b_O: [batch pos d_model].

    Where what attention writes is normalised, a head writes its share: as much of the sum as its
    own part of what is normalised.
    """
    if node.kind == "embed":
        return seen[sites.EMBED()]
    assert node.layer is not None
    if node.kind == "mlp":
        return seen[sites.MLP_OUT(node.layer)]
    assert node.head is not None
    z, W_O = seen[sites.Z(node.layer)], network.W_O[node.layer]
    products = torch.einsum("bphk,hkd->hbpd", z, W_O)
    return products[node.head] * _scale(network, node.layer, products)


def _scale(network: Network, layer: int, products: Tensor) -> Tensor:
    """What attention's parts are multiplied by when they are added to the stream.

    Of products z W_O [head batch pos d_model]: 1, or [batch pos d_model] where a norm follows.
    """
    if not network.shape.post_norms:
        return torch.ones((), dtype=network.dtype)
    out = products.sum(0) + network.b_O[layer]
    assert network.ln1_post_w is not None
    return network.ln1_post_w[layer] / (out.pow(2).mean(-1, keepdim=True) + network.eps).sqrt()


def edge_logits(
    network: Network,
    base: Tensor,
    source: Tensor,
    edge: Edge,
    runs: tuple[Activations, ...] = (),
    share: Tensor | None = None,
) -> Tensor:
    """Logits [batch pos d_vocab_out] with one edge patched.

    `base` and `source` are tokens [batch pos]; `runs` are their activations, if they are at hand.
    `share` [batch] is how much of the way each example's sender goes; None for all of it.
    """
    ours, theirs = runs or (network.cache(base), network.cache(source))
    change = written(network, theirs, edge.sender) - written(network, ours, edge.sender)
    if share is not None:
        change = share[:, None, None] * change
    node, layer = edge.receiver, edge.receiver.layer
    if node.kind == "logits":
        last = sites.RESID_POST(network.shape.n_layers - 1)
        return network.forward(base, [put_rows(last, ours[last] + change)])
    assert layer is not None
    if node.kind == "mlp":
        read = sites.RESID_PRE if network.shape.parallel else sites.RESID_MID
        out = network.mlp(layer, ours[read(layer)] + change)
        return network.forward(base, [put_rows(sites.MLP_OUT(layer), out)])
    return network.forward(base, [_head_input(network, edge, ours, change)])


def _head_input(network: Network, edge: Edge, ours: Activations, change: Tensor) -> Edit:
    """The queries, keys or values of one head, computed from its changed stream."""
    layer, head, name = edge.receiver.layer, edge.receiver.head, edge.input
    assert layer is not None
    assert head is not None
    assert name is not None
    x = network.norm("ln1", layer, ours[sites.RESID_PRE(layer)] + change)
    if network.shape.positions == "shortformer" and name != "v":
        x = x + network.W_pos[: x.shape[1]]
    W, b = (part[head] for part in network.head_input(name, layer))
    site = {"q": sites.Q, "k": sites.K, "v": sites.V}[name]
    return put_rows(site(layer).pick(head=head), x @ W + b)


def edge_metric(
    network: Network,
    base: Tensor,
    source: Tensor,
    edges: tuple[Edge, ...],
    answers: Tensor,
    at: Tensor,
) -> Tensor:
    """The difference of two answers' logits with each edge patched: [edge batch].

    `answers` are long [batch 2], `at` long [batch].
    """
    runs = (network.cache(base), network.cache(source))
    rows = torch.arange(len(base))
    found = [edge_logits(network, base, source, edge, runs)[rows, at] for edge in edges]
    return torch.stack(
        [logits[rows, answers[:, 0]] - logits[rows, answers[:, 1]] for logits in found]
    )


# -------------------------------------------------------------------- sets of edges
def edge_set_logits(network: Network, base: Tensor, source: Tensor, edges: set[Edge]) -> Tensor:
    """Logits [batch pos d_vocab_out] with a set of edges patched, node after node.

    `base` and `source` are tokens [batch pos].
    """
    theirs = network.cache(source)
    graph = Graph(network.shape)
    outputs = {Node("embed"): network.W_E[base]}
    # What no sender writes: the positions, and the biases of attention.
    rest = network.cache(base)[sites.RESID_PRE(0)] - network.W_E[base]

    def read(receiver: Node, name: Input | None) -> Tensor:
        x = rest
        for node, out in outputs.items():
            patched = Edge(node, receiver, name) in edges
            x = x + (written(network, theirs, node) if patched else out)
        return x

    for layer in range(network.shape.n_layers):
        heads = [node for node in graph.senders if (node.kind, node.layer) == ("head", layer)]
        products = torch.stack([_head(network, node, read, base) for node in heads])
        mlp = Node("mlp", layer)
        if network.shape.parallel:
            outputs[mlp] = network.mlp(layer, read(mlp, None))
        scale = _scale(network, layer, products)
        outputs |= dict(zip(heads, products * scale, strict=True))
        rest = rest + network.b_O[layer] * scale
        if not network.shape.attn_only and not network.shape.parallel:
            outputs[mlp] = network.mlp(layer, read(mlp, None))
    return network.unembed(read(Node("logits"), None))


def _head(
    network: Network, node: Node, read: Callable[[Node, Input | None], Tensor], base: Tensor
) -> Tensor:
    """z W_O of one head, given what its queries, keys and values read."""
    layer, head = node.layer, node.head
    assert layer is not None
    parts: dict[Input, Tensor] = {}
    where = torch.arange(base.shape[1])
    for name in INPUTS:
        x = network.norm("ln1", layer, read(node, name))
        if network.shape.positions == "shortformer" and name != "v":
            x = x + network.W_pos[: x.shape[1]]
        W, b = (part[head] for part in network.head_input(name, layer))
        parts[name] = x @ W + b
        if name != "v":
            parts[name] = network.compared(name, layer, parts[name][:, :, None], where)[:, :, 0]
    allowed = network.allowed(base, layer)[:, 0]
    scores = network.scaled(layer, parts["q"] @ parts["k"].transpose(1, 2))
    pattern = scores.masked_fill(~allowed, -torch.inf).softmax(-1).masked_fill(~allowed, 0.0)
    z: Tensor = pattern @ parts["v"]
    return z @ network.W_O[layer, head]
