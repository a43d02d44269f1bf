"""Scores that need the weights and no prompt: eigenvalues of OV circuits, copied names, biases.

The eigenvalue score of a matrix is Σ λ / Σ |λ|: 1 if all eigenvalues are positive, as for a head
that copies. A product A B has the eigenvalues of B A, apart from zeros, so 64 × 64 matrices do.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from replications.lens import Lens, as_network
from replications.models import Head, Network, Tokenizer
from replications.systems.ioi.data.document import NAMES

Circuit = Literal["OV", "full OV", "QK"]
CHUNK = 8192
"""How many rows of the vocabulary are taken at a time."""
LARGEST = 5
"""A name counts as copied if its logit is among this many."""


class Copying:
    """Scores of one model's weights."""

    def __init__(self, lens: Lens, tokenizer: Tokenizer) -> None:
        self._lens = lens
        self._tokenizer = tokenizer
        self._names: dict[tuple[bool, bool], Tensor] = {}

    def eigenvalue_scores(self, circuit: Circuit) -> Tensor:
        """The score of each head's W_V W_O, W_E W_V W_O W_U, or W_Q W_K^T: float64 [layer head]."""
        w = self._lens.weights
        first, second = (w.W_Q, w.W_K.mT) if circuit == "QK" else (w.W_V, w.W_O)
        first, second = first.double().cpu(), second.double().cpu()
        if circuit == "full OV":
            first = self._unembedding_embedding @ first
        values = torch.linalg.eigvals(second @ first)
        scores: Tensor = values.sum(-1).real / values.abs().sum(-1)
        return scores

    @cached_property
    def _unembedding_embedding(self) -> Tensor:
        """W_U W_E: float64 [d_model d_model]."""
        w = self._lens.weights
        pieces = zip(w.W_U.split(CHUNK, 1), w.W_E.split(CHUNK), strict=True)
        return torch.stack([u.double() @ e.double() for u, e in pieces]).sum(0)

    def biases(self, words: Sequence[str]) -> list[float]:
        """The unembedding's bias for each word."""
        b_U = self._lens.weights.b_U.double()
        return [b_U[self._tokenizer.token(word)].item() for word in words]

    # ---------------------------------------------------------------- names
    def copied(
        self, heads: Sequence[Head], *, negative: bool, spaced: bool = False, mlp: bool = True
    ) -> list[float]:
        """The share of names that each of some heads copies, and the mean over all heads.

        A name's embedding, with the first MLP's output on it, goes through the head's OV circuit
        (sign reversed if `negative`) and the unembedding. The mean counts the first layer's heads
        as zero, as the notebook does. `spaced` takes names with a space before them, and without
        `mlp` the first MLP is left out.
        """
        found = self._shares(spaced, mlp)[int(negative)]
        return [*(found[head].item() for head in heads), found.mean().item()]

    def _shares(self, spaced: bool, mlp: bool) -> Tensor:
        """The share of names copied with either sign: float64 [sign layer head]."""
        if (spaced, mlp) not in self._names:
            self._names[spaced, mlp] = self._copy(spaced, mlp)
        return self._names[spaced, mlp]

    @torch.no_grad()
    def _copy(self, spaced: bool, mlp: bool) -> Tensor:
        network = as_network(self._lens)
        listed = [self._tokenizer.token(f" {name}" if spaced else name) for name in NAMES]
        names = torch.tensor(listed, device=network.device)
        x = network.W_E[names]
        if mlp:
            hidden = network.activation(
                network.norm("ln2", 0, x) @ network.W_in[0] + network.b_in[0]
            )
            x = x + hidden @ network.W_out[0] + network.b_out[0]
        shape = network.shape
        found = torch.zeros(2, shape.n_layers, shape.n_heads, dtype=torch.float64)
        for layer in range(1, shape.n_layers):
            for head in range(shape.n_heads):
                written = x @ network.W_V[layer, head] @ network.W_O[layer, head]
                found[:, layer, head] = _copied(network, written, names)
        return found


def _copied(network: Network, written: Tensor, names: Tensor) -> Tensor:
    """The share of `names` [n] that `written` [n d_model], and its negative, copies: [2]."""
    ours = network.norm("ln_final", None, written) @ network.W_U
    # LayerNorm is odd apart from its bias, so the product is not computed twice.
    nothing = network.norm("ln_final", None, torch.zeros_like(written[:1])) @ network.W_U
    shares = []
    for logits in (ours, 2 * nothing - ours):
        largest = (logits + network.b_U).topk(LARGEST, -1).indices
        shares.append((largest == names[:, None]).any(-1).double().mean())
    return torch.stack(shares)
