"""Circuits in the weights: OV, virtual OV, K-composition and positional QK.

Sections "1.0 full OV circuit", "Virtual OV circuit", "K-composition circuit" and "1.0 full QK
circuit". Circuits are products of weight matrices in float64; scores lack the factor
1 / sqrt(d_head).
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from replications.lens import Weights
from replications.models import Head
from replications.systems.list_update.format import Format
from replications.systems.list_update.roles import Roles


class Circuits:
    """The circuits of one model, whose prompts have this format."""

    def __init__(self, weights: Weights, format: Format, roles: Roles) -> None:
        self._weights = weights
        self._format = format
        self._roles = roles
        self._E, self._U = weights.W_E.double(), weights.W_U.double()
        self._P = weights.W_pos.double()

    def _ov(self, head: Head) -> Tensor:
        return self._weights.W_V[head].double() @ self._weights.W_O[head].double()

    def _qk(self, head: Head) -> Tensor:
        return self._weights.W_Q[head].double() @ self._weights.W_K[head].double().T

    # ---------------------------------------------------------------- OV
    def OV(self, *heads: Head, transposed: bool = False) -> Tensor:
        """W_E @ OV of `heads` in this order @ W_U: float64 [token number]."""
        product = self._E
        for head in heads:
            product = product @ (self._ov(head).T if transposed else self._ov(head))
        return product @ self._U

    def copying(self, *heads: Head, transposed: bool = False) -> float:
        """The share of numbers whose largest logit through these heads in a row is their own.

        If `transposed`, every OV matrix is: W_O and W_V in the wrong order of axes.
        """
        return (~self._fails(*heads, transposed=transposed)).double().mean().item()

    def _fails(self, *heads: Head, transposed: bool = False) -> Tensor:
        """Which numbers are not copied: bool [number]."""
        numbers = self._format.numbers
        circuit = self.OV(*heads, transposed=transposed)[:numbers]
        return circuit.argmax(-1) != torch.arange(numbers)

    def index_tokens(self, *heads: Head) -> dict[str, float]:
        """How these heads in a row copy the numbers that are also indices.

        `times_the_others` is their mean diagonal entry over that of the other numbers;
        `other_failures` counts the other numbers that are not copied.
        """
        diagonal, n = self.OV(*heads).diagonal(), self._format.length
        return {
            "times_the_others": (diagonal[:n].mean() / diagonal[n:].mean()).item(),
            "other_failures": int(self._fails(*heads)[n:].sum()),
        }

    # ---------------------------------------------------------------- K-composition
    @property
    def k_composition_scores(self) -> Tensor:
        """W_pos @ QK1 @ OV0^T @ W_E^T, the circuit at every position: float64 [pos token]."""
        return self._composed(self._roles.previous)

    def _composed(self, writer: Head) -> Tensor:
        return self._P @ self._qk(self._roles.copying) @ self._ov(writer).T @ self._E.T

    def k_composition(self, writer: Head | None = None) -> dict[str, float]:
        """The square of prediction positions and index tokens; see `square`.

        `writer` is the head whose OV matrix is used, by default the previous-token head.
        """
        scores = self._composed(self._roles.previous if writer is None else writer)
        return square(scores[list(self._format.prediction_positions), : self._format.numbers])

    def square_and_copying(
        self, writer: Head | None = None, through: tuple[Head, ...] = ()
    ) -> dict[str, float]:
        """The K-composition square and copying, without what is sensitive to the task's size.

        `writer` is the head whose OV matrix the square uses; copying is measured through the heads
        `through` in a row. Left out, they are the previous-token head and the copying head.
        """
        found = self.k_composition(writer=writer)
        return {
            "least_diagonal": found["least_diagonal"],
            "right_rows": found["right_rows"],
            "copying": self.copying(*(through or (self._roles.copying,))),
        }

    # ---------------------------------------------------------------- positional QK
    @cached_property
    def position_scores(self) -> Tensor:
        """W_pos @ QK1 @ W_pos^T, keys after the query included: float64 [query key]."""
        return self._P @ self._qk(self._roles.copying) @ self._P.T

    def default_positions(self, earlier: int = 0) -> list[int]:
        """Where each prediction looks by position alone: the key with the largest causal score.

        `earlier` measures the positions that stand so much earlier than the predictions.
        """
        rows = [query - earlier for query in self._format.prediction_positions]
        return [int(self.position_scores[query, : query + 1].argmax()) for query in rows]

    def default_strength(self, shift: int = 0) -> float:
        """Mean score of each prediction at its own list position over its mean K-composition score.

        With a `shift`, the list position so many places after its own takes the numerator.
        """
        n, rows = self._format.length, list(self._format.prediction_positions)
        default = self.position_scores[rows][:, 1 : n + 1].roll(-shift, 1).diagonal().mean()
        composed = self.k_composition_scores[rows, :n].diagonal().mean()
        return (default / composed).item()


def square(rows: Tensor) -> dict[str, float]:
    """Describe the square of `rows` [n token] and the first n tokens.

    `least_diagonal` is its smallest diagonal entry, `largest_other` the largest entry off the
    diagonal over the diagonal of its row, and `right_rows` the share of rows whose largest entry
    over all tokens is on the diagonal.
    """
    n = len(rows)
    part = rows[:, :n]
    diagonal = part.diagonal()
    others = part[~torch.eye(n, dtype=torch.bool)].reshape(n, n - 1)
    right = rows.argmax(-1) == torch.arange(n)
    return {
        "least_diagonal": diagonal.min().item(),
        "largest_other": (others / diagonal[:, None].abs()).max().item(),
        "right_rows": right.double().mean().item(),
    }
