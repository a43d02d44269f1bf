"""What the weights alone say: OV, virtual OV, K-composition and positional QK circuits.

Circuits are products of weight matrices, in float64, without the 1/sqrt(d_head) of the scores.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from replications.lens import Weights
from replications.systems.list_update.data import Task


class Circuits:
    """Circuits of one model with one head per layer."""

    def __init__(self, weights: Weights, task: Task) -> None:
        self._w = weights
        self._task = task
        self._last = len(weights.W_Q) - 1
        self._E, self._U = weights.W_E.double(), weights.W_U.double()
        self._P = weights.W_pos.double()

    def _ov(self, layer: int) -> Tensor:
        return self._w.W_V[layer, 0].double() @ self._w.W_O[layer, 0].double()

    def _qk(self, layer: int) -> Tensor:
        return self._w.W_Q[layer, 0].double() @ self._w.W_K[layer, 0].double().T

    # ---------------------------------------------------------------- OV
    def OV(self, *layers: int) -> Tensor:
        """W_E @ OV of `layers` in this order @ W_U: float64 [token number]."""
        product = self._E
        for layer in layers:
            product = product @ self._ov(layer)
        return product @ self._U

    def _copies(self, circuit: Tensor) -> float:
        return (circuit[: self._task.numbers].argmax(-1) == self._numbers).double().mean().item()

    @property
    def _numbers(self) -> Tensor:
        return torch.arange(self._task.numbers)

    @cached_property
    def copying(self) -> float:
        """Share of number tokens whose largest logit through head 1.0 is their own."""
        return self._copies(self.OV(self._last))

    @cached_property
    def virtual_copying(self) -> float:
        """The same through head 0.0 and then head 1.0."""
        return self._copies(self.OV(0, self._last))

    @cached_property
    def virtual_copying_wrong_order(self) -> float:
        return self._copies(self.OV(self._last, 0))

    @cached_property
    def virtual_index_tokens(self) -> dict[str, float]:
        """Virtual OV: how it treats the tokens that are also indices; see `_index_tokens`."""
        return self._index_tokens(self.OV(0, self._last))

    @cached_property
    def direct_index_tokens(self) -> dict[str, float]:
        return self._index_tokens(self.OV(self._last))

    def _index_tokens(self, circuit: Tensor) -> dict[str, float]:
        """Their mean diagonal entry over that of the others, and the others that fail to copy."""
        square, n = circuit[: self._task.numbers], self._task.length
        diagonal = square.diagonal()
        fails = square.argmax(-1) != self._numbers
        return {
            "times_the_others": (diagonal[:n].mean() / diagonal[n:].mean()).item(),
            "other_failures": int(fails[n:].sum()),
        }

    @cached_property
    def virtual_failures(self) -> list[int]:
        """The number tokens that the virtual circuit does not copy."""
        square = self.OV(0, self._last)[: self._task.numbers]
        return [int(i) for i in (square.argmax(-1) != self._numbers).nonzero()]

    # ---------------------------------------------------------------- K-composition
    def _k_composition(self, ov_layer: int) -> Tensor:
        """W_pos @ QK1 @ OV^T @ W_E^T, prediction rows: [j token]."""
        return self._composed(self._P[list(self._task.prediction_positions)], ov_layer)

    def _composed(self, rows: Tensor, ov_layer: int) -> Tensor:
        return rows @ self._qk(self._last) @ self._ov(ov_layer).T @ self._E.T

    @property
    def k_composition_scores(self) -> Tensor:
        """The circuit through head 0.0 at every position: float64 [pos token]."""
        return self._composed(self._P, 0)

    @cached_property
    def k_composition(self) -> dict[str, object]:
        """The square of predictions and index tokens; see `_square`."""
        return self._square(self._k_composition(0), 0)

    @cached_property
    def k_composition_other_tokens(self) -> dict[str, object]:
        """The same square at number tokens that are no indices."""
        return self._square(self._k_composition(0), self._task.length)

    @cached_property
    def k_composition_last_ov(self) -> dict[str, object]:
        """With the OV matrix of the last layer in place of the first one's."""
        return self._square(self._k_composition(self._last), 0)

    def _square(self, circuit: Tensor, start: int) -> dict[str, object]:
        """Least diagonal entry, largest other entry over its row's diagonal, rows' largest tokens.

        `right_rows` counts the rows whose largest entry over all number tokens is the diagonal.
        """
        n = self._task.length
        square = circuit[:, start : start + n]
        diagonal = square.diagonal()
        others = square[~torch.eye(n, dtype=torch.bool)].reshape(n, n - 1)
        best = circuit[:, : self._task.numbers].argmax(-1)
        return {
            "least_diagonal": diagonal.min().item(),
            "largest_other": (others / diagonal[:, None].abs()).max().item(),
            "right_rows": (best == torch.arange(start, start + n)).double().mean().item(),
        }

    # ---------------------------------------------------------------- positional QK
    def _positions(self, layer: int) -> Tensor:
        """W_pos @ QK @ W_pos^T: [query key]."""
        return self._P @ self._qk(layer) @ self._P.T

    @property
    def position_scores(self) -> Tensor:
        """The same of head 1.0, keys after the query left in: float64 [query key]."""
        return self._positions(self._last)

    @cached_property
    def default_positions(self) -> list[int]:
        """Where each prediction position looks by position alone (its largest causal score)."""
        return self._defaults(self._task.prediction_positions.start)

    @cached_property
    def default_positions_of_others(self) -> list[int]:
        """The same for as many positions just before the predictions."""
        return self._defaults(self._task.prediction_positions.start - self._task.length)

    def _defaults(self, start: int) -> list[int]:
        scores = self._positions(self._last)
        rows = range(start, start + self._task.length)
        return [int(scores[q, : q + 1].argmax()) for q in rows]

    @cached_property
    def default_strength(self) -> float:
        """Mean default score over mean K-composition score."""
        return self._strength(0)

    @cached_property
    def default_strength_elsewhere(self) -> float:
        """The same with the list positions moved on by one."""
        return self._strength(1)

    def _strength(self, shift: int) -> float:
        rows = self._positions(self._last)[list(self._task.prediction_positions)]
        default = rows[:, 1 : self._task.length + 1].roll(-shift, 1).diagonal().mean()
        composed = self._k_composition(0)[:, : self._task.length].diagonal().mean()
        return (default / composed).item()
