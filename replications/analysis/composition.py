"""Composition scores: how much of what one head writes another reads, from weights alone.

The score of two matrices is |A B| / (|A| |B|), with Frobenius norms, as in Elhage et al. 2021, "A
Mathematical Framework for Transformer Circuits".  Random matrices have a positive score too, given
by `baseline`, which is to be subtracted.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models import Head
from replications.models.network import Network

Input = Literal["Q", "K", "V"]
"""What a head reads its input as."""
SAMPLES = 20
"""Pairs of random matrices that the baseline is a mean over."""


def score(writes: Tensor, reads: Tensor) -> float:
    """|A B| / (|A| |B|) of A [d d], which writes, and B [d d], which reads, on row vectors.

    Zero if either of them is zero.
    """
    found: float = ((writes @ reads).norm() / (writes.norm() * reads.norm())).nan_to_num(0).item()
    return found


def writing(network: Network, head: Head) -> Tensor:
    """W_V W_O of a head, LayerNorm's weights folded in: float64 [d_model d_model]."""
    layer, index = head
    V = _folded(network, layer, network.W_V[layer, index])
    return V @ network.W_O[layer, index].double()


def reading(network: Network, head: Head, through: Input) -> Tensor:
    """The map that a head applies to its input as query, key or value: float64 [d_model d_model].

    It acts on row vectors: W_Q W_K^T, W_K W_Q^T, or W_V W_O, LayerNorm's weights folded in.
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
    """`matrix` [d_model d_head] as applied to the residual stream in front of LayerNorm: float64.

    LayerNorm subtracts the stream's mean and multiplies by its weights; its scale is left out.
    """
    matrix = matrix.double()
    if network.shape.normalization is None:
        return matrix
    if network.ln1_w is not None:
        matrix = network.ln1_w[layer].double()[:, None] * matrix
    return matrix - matrix.mean(0)


@cache
def baseline(d_model: int, d_head: int) -> float:
    """The mean score of random matrices of these sizes: the value that is nothing special."""
    generator = torch.Generator().manual_seed(0)
    drawn = [[random(d_model, d_head, generator) for _ in range(2)] for _ in range(SAMPLES)]
    return sum(score(*pair) for pair in drawn) / SAMPLES


def random(d_model: int, d_head: int, generator: torch.Generator) -> Tensor:
    """A product of two standard normal matrices: float64 [d_model d_model] of rank d_head."""
    down, up = (
        torch.randn(size, generator=generator, dtype=torch.float64)
        for size in ((d_model, d_head), (d_head, d_model))
    )
    return down @ up
