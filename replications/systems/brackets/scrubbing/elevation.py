"""What the weights of the elevation head say about its output: where it looks, what it writes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from replications.models import Head, Network
from replications.systems.brackets.data import CLOSE, CONTEXT, END, MAX_LENGTH, OPEN, START


def _normalised(network: Network, head: Head, token: int) -> Tensor:
    """A token's embedding at each position after the LayerNorm before a head: [42 d_model]."""
    return network.norm("ln1", head[0], network.W_E[token] + network.W_pos[:CONTEXT])


def open_direction(network: Network, head: Head) -> Tensor:
    """v: half the difference of a head's mean output on '(' and on ')', float64 [d_model].

    The mean is over positions 1 to 40, of each token's embedding alone, by way of W_V, b_V and W_O.
    If the whole string were '(', a head that looks everywhere alike would write about v, plus what
    both brackets have in common.
    """
    network, (layer, number) = network.to("cpu", torch.float64), head
    written = [
        (x[1 : MAX_LENGTH + 1] @ network.W_V[layer, number] + network.b_V[layer, number]).mean(0)
        @ network.W_O[layer, number]
        for x in (_normalised(network, head, OPEN), _normalised(network, head, CLOSE))
    ]
    return (written[0] - written[1]) / 2


def attention_weights(network: Network, head: Head) -> Tensor:
    """How a head weighs brackets: float64 [length=41 query=42 key=42], each row adds up to 1.

    For strings of each length, with a '(' at the query and keys that are the mean of the two
    normalised brackets: its attention is averaged over the brackets before the query, and over
    those from the query on. Each bracket is given the average of its group, over the sum of all.
    Rows of length 0 are NaN.
    """
    network = network.to("cpu", torch.float64)
    found = torch.full((MAX_LENGTH + 1, CONTEXT, CONTEXT), math.nan, dtype=torch.float64)
    for length in range(1, MAX_LENGTH + 1):
        found[length] = _of_length(_pattern(network, head, length), length)
    return found


def _pattern(network: Network, head: Head, length: int) -> Tensor:
    """Attention with brackets that are neither: [query=42 key]; queries after the end are '('."""
    layer, number = head
    start, end, opened, closed = (
        _normalised(network, head, token) for token in (START, END, OPEN, CLOSE)
    )
    queries, keys = opened.clone(), (opened + closed) / 2
    for x in (queries, keys):
        x[0], x[length + 1] = start[0], end[length + 1]
    q = queries @ network.W_Q[layer, number] + network.b_Q[layer, number]
    k = keys[: length + 2] @ network.W_K[layer, number] + network.b_K[layer, number]
    return (q @ k.T / math.sqrt(network.shape.d_head)).softmax(-1)


def _of_length(pattern: Tensor, length: int) -> Tensor:
    position = torch.arange(CONTEXT)
    bracket = (position >= 1) & (position <= length)
    later = position[None, :] >= position[:, None]  # [query key]
    attention = torch.zeros(CONTEXT, CONTEXT, dtype=torch.float64)
    attention[:, : length + 2] = pattern
    weights = torch.zeros_like(attention)
    for group in (bracket & later, bracket & ~later):
        mean = (attention * group).sum(1, keepdim=True) / group.sum(1, keepdim=True).clamp(min=1)
        weights += group * mean
    return weights / weights.sum(1, keepdim=True)
