"""What the weights say: the QK circuits of layer 0, and how layer 1 reads what head 0.0 writes.

For the pair (21 - i, i) let

    d_i = (W_pos[i] / s_i - W_pos[21 - i] / s_{21 - i}) W_OV(0.0)

where s is the mean divisor of the first LayerNorm at a position. It is what head 0.0 writes at i if
it looks at i instead of at its mirror: what is written when the pair is unequal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from replications.analysis import composition
from replications.models import Head
from replications.systems.algorithmic.data.palindrome import (
    AT_END,
    CONTEXT,
    NO,
    SECOND,
    VALUES,
    YES,
    mirror,
)  # fmt: skip
from replications.systems.algorithmic.roles import PalindromeRoles
from replications.systems.algorithmic.task import Task

RISE, FALL = 0.373, 0.544
"""The two published mean changes of attention; the document multiplies d_i by the first."""
NOT_SEEN = (17, 19, 20)
"""The positions at which d_i has another direction."""


class Circuits:
    """Circuits of the palindrome classifier, read off its prepared weights."""

    def __init__(self, task: Task, roles: PalindromeRoles) -> None:
        self._task = task
        self._roles = roles

    # ---------------------------------------------------------------- the QK circuits of layer 0
    def tokens(self, head: Head) -> Tensor:
        """Scores of every number for every number, without scales: [31 31]."""
        W_E = self._task.network.W_E[:VALUES]
        return W_E @ self._task.QK(head) @ W_E.T

    def token_attention(self, head: Head) -> Tensor:
        """Attention among the numbers by these scores alone, at the mean scale: [31 31]."""
        scale = self._task.scale(0).mean()
        scores: Tensor = self.tokens(head) / scale.square() / self._task.root
        return scores.softmax(-1)

    def positions(self, head: Head) -> Tensor:
        """Attention among the positions by position alone, at the mean scale of each: [22 22].

        No position attends to START: the published figure leaves it out of the soft-max.
        """
        W_pos = self._task.network.W_pos / self._task.scale(0).mean(0)[:, None]
        scores = W_pos @ self._task.QK(head) @ W_pos.T / self._task.root
        hidden = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool).triu(1)
        hidden[1:, 0] = True
        return scores.masked_fill(hidden, -math.inf).softmax(-1)

    def self_attention(
        self, tokens: Head | None = None, positions: Head | None = None, other: Head | None = None
    ) -> Mapping[str, float | list[float]]:
        """How heads 0.0 and 0.1 match numbers and positions with themselves.

        `rows` counts the numbers that score highest with themselves, `weakest` and `strongest` are
        the smallest and the largest diagonal entry of `token_attention` and `extremes` the numbers
        there. `mirrors` is the attention of each position to its mirror, and `places` counts the
        positions that attend most to their mirror or to themselves. `other` is the largest score
        of a number with itself in head 0.1. Other heads take these places in controls.
        """
        diagonal = self.token_attention(tokens or self._roles.compare).diagonal()
        by_place = self.positions(positions or self._roles.compare)
        return {
            "weakest": diagonal.min().item(),
            "strongest": diagonal.max().item(),
            "extremes": [int(diagonal.argmin()), int(diagonal.argmax())],
            "mirrors": [by_place[i, mirror(i)].item() for i in SECOND],
            **self.matches(tokens, positions, other),
        }

    def matches(
        self, tokens: Head | None = None, positions: Head | None = None, other: Head | None = None
    ) -> Mapping[str, float]:
        """`rows`, `places` and `other` of `self_attention` alone."""
        compare = self._roles.compare
        scores, by_place = self.tokens(tokens or compare), self.positions(positions or compare)
        most = by_place[list(SECOND)].argmax(-1).tolist()
        return {
            "rows": int((scores.argmax(-1) == torch.arange(VALUES)).sum()),
            "places": sum(m in (i, mirror(i)) for i, m in zip(SECOND, most, strict=True)),
            "other": self.tokens(other or self._roles.other).diagonal().max().item(),
        }

    # ---------------------------------------------------------------- "this pair is unequal"
    def differences(self, head: Head | None = None) -> Tensor:
        """d_i for every pair, or the same through another head: [second d_model]."""
        scaled = self._task.network.W_pos / self._task.scale(0).mean(0)[:, None]
        apart = scaled[list(SECOND)] - scaled[[mirror(i) for i in SECOND]]
        return apart @ self._task.OV(self._roles.compare if head is None else head)

    def cosines(self, head: Head | None = None) -> Tensor:
        """Cosines of the d_i with one another: [second second]."""
        unit = functional.normalize(self.differences(head), dim=-1)
        return unit @ unit.T

    def one_direction(self, head: Head | None = None) -> Mapping[str, float]:
        """The smallest cosine among the seven seen pairs, the largest of these with the others."""
        cosines = self.cosines(head)
        seen = torch.tensor([i not in NOT_SEEN for i in SECOND])
        return {
            "smallest": cosines[seen][:, seen].min().item(),
            "largest_across": cosines[seen][:, ~seen].max().item(),
        }

    def on_one_line(self, head: Head | None = None) -> float:
        """The share of the d_i, all scaled to length 1, that lies along one line: from 0.1 to 1."""
        unit = functional.normalize(self.differences(head), dim=-1)
        squares: Tensor = torch.linalg.svdvals(unit).square()
        return (squares[0] / squares.sum()).item()

    # ---------------------------------------------------------------- as layer 1 reads it
    def _read(self, head: Head | None) -> Tensor:
        """d_i over the mean divisor before layer 1 at i: [second d_model]."""
        scale = self._task.scale(1).mean(0)[list(SECOND)]
        return self.differences(head) / scale[:, None]

    @property
    def _late(self) -> Mapping[str, Head]:
        """The heads of layer 1 by what the document calls them."""
        return {"1.0": self._roles.collect, "1.1": self._roles.last}

    def shared_out(self, through: Head | None = None) -> Mapping[str, float]:
        """How the heads of layer 1 share the positions of the d_i, without naming positions.

        `wanted` counts those whose key END's query in 1.0 wants, `apart` those that one of 1.0 and
        1.1 wants and not the other, and `no` those that say no through 1.0 where 1.0 wants them.
        """
        keys, values = (
            torch.tensor([found[n] for n in ("1.0", "1.1")]) > 0
            for found in (self.as_key(through), self.as_value(through))
        )  # [head second]
        return {
            "wanted": int(keys[0].sum()),
            "apart": int((keys[0] != keys[1]).sum()),
            "no": int((keys[0] & values[0]).sum()),
        }

    def as_key(self, through: Head | None = None) -> Mapping[str, list[float]]:
        """Cosines of d_i as a key with the mean query of END, by head of layer 1: each [second]."""
        found = {}
        for name, head in self._late.items():
            keys = self._read(through) @ self._task.network.W_K[head]
            query = self._task.per_head("q", head)[:, AT_END].mean(0)
            found[name] = functional.cosine_similarity(keys, query[None]).tolist()
        return found

    def as_value(
        self, through: Head | None = None, *, coefficient: float = RISE
    ) -> Mapping[str, list[float]]:
        """What d_i, attended to from END, adds to logit(no) - logit(yes), by head of layer 1.

        d_i is multiplied by `coefficient`. The final divisor is the mean over sequences that are no
        palindromes.
        """
        rows = self._task.examples.labels[:, 0] == NO
        scale = self._task.scale(None)[rows, AT_END].mean()
        W_U = self._task.network.W_U
        no = (W_U[:, NO] - W_U[:, YES]) / scale
        return {
            name: (coefficient * self._read(through) @ self._task.OV(head) @ no).tolist()
            for name, head in self._late.items()
        }

    # ---------------------------------------------------------------- composition
    def compositions(self) -> Mapping[tuple[Head, Head, composition.Input], float]:
        """Composition scores of all pairs of heads over the mean score of random matrices."""
        network, shape = self._task.network, self._task.lens.shape
        baseline = composition.baseline(shape.d_model, shape.d_head)
        early, late = ([h for h in self._task.heads if h[0] == layer] for layer in (0, 1))
        inputs: tuple[composition.Input, ...] = ("Q", "K", "V")
        return {
            (a, b, through): composition.score(
                composition.writing(network, a), composition.reading(network, b, through)
            )
            / baseline
            for a, b, through in product(early, late, inputs)
        }

    def composes(self, early: Head | None = None, late: Head | None = None) -> Mapping[str, float]:
        """K- and V-composition of 0.0 with 1.0, and the largest of all other compositions.

        In units of the baseline. Another pair of heads may take the place of 0.0 and 1.0.
        """
        pair = (early or self._roles.compare, late or self._roles.collect)
        scores = self.compositions()
        others = [s for (a, b, i), s in scores.items() if (a, b) != pair or i == "Q"]
        return {
            "K": scores[(*pair, "K")],
            "V": scores[(*pair, "V")],
            "largest_other": max(others),
        }

    def composes_as_query(self) -> Mapping[str, float]:
        """`composes`, with Q-composition of 0.0 with 1.0 in place of K and V."""
        as_query = self.compositions()[(self._roles.compare, self._roles.collect, "Q")]
        return {**self.composes(), "K": as_query, "V": as_query}
