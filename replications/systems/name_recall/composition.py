"""Composition scores: how much of what one head writes another reads, from weights alone.

The score of two matrices is |A B| / (|A| |B|), Frobenius norms, after Elhage and others (2021), "A
Mathematical Framework for Transformer Circuits".  Two random matrices have a score too, which is
taken off.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models.network import Network
from replications.systems.name_recall.roles import Head

Input = Literal["Q", "K", "V"]
SAMPLES = 20


def score(writes: Tensor, reads: Tensor) -> float:
    """|A B| / (|A| |B|) of a map that writes, A [d d], and one that reads, B [d d], row vectors."""
    return ((writes @ reads).norm() / (writes.norm() * reads.norm())).item()


def writing(network: Network, head: Head) -> Tensor:
    """W_V W_O of a head, [d_model d_model] float64, LayerNorm's weights folded in."""
    layer, index = head
    V = _folded(network, layer, network.W_V[layer, index])
    return V @ network.W_O[layer, index].double()


def reading(network: Network, head: Head, through: Input) -> Tensor:
    """What a head does with its input as query, key or value: [d_model d_model] float64.

    Applied to row vectors: x @ W_Q W_K^T, x @ W_K W_Q^T, or x @ W_V W_O.
    Raises BadInput for another input.
    """
    layer, index = head
    if through == "V":
        return writing(network, head)
    if through not in ("Q", "K"):
        raise BadInput(f"a head composes through Q, K or V, not {through!r}")
    Q, K = (_folded(network, layer, W[layer, index]) for W in (network.W_Q, network.W_K))
    return Q @ K.T if through == "Q" else K @ Q.T


def _folded(network: Network, layer: int, matrix: Tensor) -> Tensor:
    """`matrix` [d_model d_head] as applied to the stream, up to LayerNorm's scale: float64.

    LayerNorm takes off the mean over the stream, then multiplies by its weights.
    """
    matrix = matrix.double()
    if network.shape.normalization is None:
        return matrix
    if network.ln1_w is not None:
        matrix = network.ln1_w[layer].double()[:, None] * matrix
    return matrix - matrix.mean(0)


@cache
def baseline(d_model: int, d_head: int) -> float:
    """The mean score of products of random matrices of these sizes."""
    generator = torch.Generator().manual_seed(0)
    drawn = [[random(d_model, d_head, generator) for _ in range(2)] for _ in range(SAMPLES)]
    return sum(score(*pair) for pair in drawn) / SAMPLES


def random(d_model: int, d_head: int, generator: torch.Generator) -> Tensor:
    """A product of two normal matrices, [d_model d_model] of rank d_head."""
    down, up = (
        torch.randn(size, generator=generator, dtype=torch.float64)
        for size in ((d_model, d_head), (d_head, d_model))
    )
    return down @ up
