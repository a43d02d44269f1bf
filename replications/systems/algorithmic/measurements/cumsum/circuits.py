"""What the weights say: one direction for numbers, and where the outputs lie on it.

u is the first stream-side singular vector of W_E W_OV, with the sign with which its cosine with the
unembedding of "positive" is positive.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from replications.analysis.statistics import correlation
from replications.systems.algorithmic.data.cumsum import MAXIMUM, NEGATIVE, POSITIVE, ZERO
from replications.systems.algorithmic.task import Task


class Circuits:
    """Circuits of the running-sum model, read off its prepared weights."""

    def __init__(self, task: Task) -> None:
        self._task = task

    @cached_property
    def numbers(self) -> Tensor:
        """W_E W_OV: what the head writes for each number, [number d_model]."""
        return self._task.network.W_E @ self._task.OV((0, 0))

    def vector(self, which: int) -> Tensor:
        """A stream-side singular vector of W_E W_OV, signed as u: [d_model]."""
        found: Tensor = torch.linalg.svd(self.numbers).Vh[which]
        return found * (found @ self._task.network.W_U[:, POSITIVE]).sign()

    @cached_property
    def direction(self) -> Tensor:
        """u: [d_model]."""
        return self.vector(0)

    def line(
        self,
        of: Literal["W_E W_OV", "W_E"] = "W_E W_OV",
        *,
        which: int = 0,
        rows: Literal["", "as in the file"] = "",
    ) -> Mapping[str, float | list[float]]:
        """The numbers on the line that W_E W_OV makes of them.

        `values` are its first two singular values, and `second` the second over the first.
        `coordinates` are the singular vector of the numbers times its value, from -5 to 5, with
        the sign that makes the first one positive, and `r2` the fit of a line. For controls: W_E
        alone, another singular vector, or the rows in the order of the published file.
        """
        matrix = self.numbers if of == "W_E W_OV" else self._task.network.W_E
        if rows:
            matrix = matrix.roll(-MAXIMUM, 0)
        U, S, _ = torch.linalg.svd(matrix)
        coordinates = U[:, which] * S[which]
        numbers = torch.arange(-MAXIMUM, MAXIMUM + 1.0)
        return {
            "values": S[:2].tolist(),
            "second": (S[1] / S[0]).item(),
            "coordinates": (coordinates * coordinates[0].sign()).tolist(),
            "r2": correlation(coordinates, numbers) ** 2,
        }

    # ---------------------------------------------------------------- outputs
    def _cosine(self, a: Tensor, b: Tensor) -> float:
        return functional.cosine_similarity(a, b, dim=0).item()

    def cosines(
        self, *, which: int = 0, positive: int = POSITIVE, negative: int = NEGATIVE
    ) -> Mapping[str, float]:
        """Cosines of u with the outputs "positive" and "negative", and of these with each other.

        For controls: another singular vector, or other outputs.
        """
        u, W_U = self.vector(which), self._task.network.W_U
        return {
            "positive": self._cosine(u, W_U[:, positive]),
            "negative": self._cosine(u, W_U[:, negative]),
            "each_other": self._cosine(W_U[:, positive], W_U[:, negative]),
        }

    def cosines_with_zero(self, zero: int | None = None) -> Mapping[str, float]:
        """Cosines of "positive" and "negative" with the output "zero".

        For controls, with each other: `zero` stands for both.
        """
        W_U = self._task.network.W_U
        pairs = {"positive": POSITIVE, "negative": NEGATIVE}
        if zero is None:
            return {name: self._cosine(W_U[:, i], W_U[:, ZERO]) for name, i in pairs.items()}
        return dict.fromkeys(pairs, self._cosine(W_U[:, POSITIVE], W_U[:, NEGATIVE]))
