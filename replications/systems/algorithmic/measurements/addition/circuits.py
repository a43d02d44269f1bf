"""What the weights say: how cells rank digits, what heads write, and the circle of answers.

A *cell* is a head at a position. All matrices are used without the divisors of LayerNorms.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from replications.analysis.statistics import correlation
from replications.models import Head
from replications.systems.algorithmic.data.addition import DIGITS, NAMES
from replications.systems.algorithmic.roles import SumRoles, label
from replications.systems.algorithmic.task import Task

HIERARCHY = "0918273645"
"""The order in which the cells that tell a carry rank the digits."""
REVERSED = ("0.1@=", "0.1@C0", "0.2@C0", "0.2@C1", "0.2@C2")
"""Cells that store the sum digit and rank digits the other way round."""


def head_at(cell: str) -> tuple[Head, int]:
    """The head and the position of a cell such as "0.1@B3"."""
    head, _, name = cell.partition("@")
    return (int(head[0]), int(head[2])), NAMES.index(name)


class Circuits:
    """Circuits of the addition model, read off its prepared weights."""

    def __init__(self, task: Task, roles: SumRoles) -> None:
        self._task = task
        self._roles = roles

    # ---------------------------------------------------------------- hierarchies of digits
    def preferences(self, cell: str) -> Tensor:
        """How much a cell prefers each digit as key: [digit].

        Scores of tokens, centred over all twelve and divided by the sum of their sizes; the query
        is the mean of embedding and position over rows.
        """
        head, position = head_at(cell)
        network = self._task.network
        query = network.W_E[self._task.tokens[:, position]].mean(0) + network.W_pos[position]
        scores = query @ self._task.QK(head) @ network.W_E.T
        centred = scores - scores.mean()
        return (centred / centred.abs().sum())[:DIGITS]

    def hierarchy(self, cells: Sequence[str] | None = None) -> Mapping[str, object]:
        """How the cells that tell carries rank digits: preferences in the published order.

        `orders` are the digits by preference. Other cells may take their places.
        """
        own = [f"{label(head)}@{name}" for head, name in self._roles.carries]
        in_order = [int(digit) for digit in HIERARCHY]
        found = [self.preferences(cell) for cell in cells or own]
        return {
            **{name: p[in_order].tolist() for name, p in zip(own, found, strict=True)},
            "orders": [self._order(p) for p in found],
        }

    @staticmethod
    def _order(preferences: Tensor) -> str:
        return "".join(map(str, preferences.argsort(descending=True).tolist()))

    def tau(self, cell: str) -> float:
        """Kendall's tau of a cell's preferences and the hierarchy: 1 if they agree."""
        found = self.preferences(cell)[[int(digit) for digit in HIERARCHY]]
        above = torch.triu_indices(DIGITS, DIGITS, 1)
        return (found[above[0]] - found[above[1]]).sign().mean().item()

    def taus(self, cells: Sequence[str], places: Sequence[str] = ()) -> Mapping[str, float]:
        """Kendall's tau of each cell, called by the cell or by its place in `places`."""
        return {name: self.tau(cell) for name, cell in zip(places or cells, cells, strict=True)}

    # ---------------------------------------------------------------- what heads write
    @cached_property
    def _digits(self) -> Tensor:
        return self._task.network.W_E[:DIGITS]

    def writes(self, head: Head) -> tuple[Tensor, Tensor]:
        """Singular values of W_E W_OV over the digits, and its vectors: [k], [digit k].

        Vectors are signed so that digit 0 is positive.
        """
        U, S, _ = torch.linalg.svd(self._digits @ self._task.OV(head), full_matrices=False)
        return S, U * U[0].sign()

    def directions(
        self, step: Head = (0, 0), circles: tuple[Head, Head] = ((0, 1), (0, 2))
    ) -> Mapping[str, object]:
        """What the heads of layer 0 write about digits.

        Under the heads, their first four singular values. `vector` is the first vector of 0.0, and
        `low` the digits with the sign of 0 in the first vector of each head. `step` says how much
        the first vector of 0.0 is like a step, from 0.81 for a sine to 1, and `circle_…` how well
        the second or third vector of 0.1 and 0.2 is the first one turned by a quarter of ten
        digits (r2). Other heads may be given for controls.
        """
        found = {label(head): self.writes(head) for head in self._roles.early}
        vector = self.writes(step)[1][:, 0]
        return {
            **{name: S[:4].tolist() for name, (S, _) in found.items()},
            "vector": vector.tolist(),
            "low": [
                "".join(str(d) for d in range(DIGITS) if U[d, 0] > 0) for _, U in found.values()
            ],
            "step": _step(vector),
            "circle_0.1": _circle(self.writes(circles[0])[1]),
            "circle_0.2": _circle(self.writes(circles[1])[1]),
        }

    def step(self, head: Head) -> float:
        """How much the first vector that a head writes is like a step; see `directions`."""
        return _step(self.writes(head)[1][:, 0])

    def circle(self, head: Head) -> float:
        """How well the second or third vector is the first one turned; see `directions`."""
        return _circle(self.writes(head)[1])

    # ---------------------------------------------------------------- the circle of answers
    def unembedding(self, matrix: Tensor | None = None) -> Mapping[str, object]:
        """Five singular values of the unembedding, or of a matrix [d_model digit], and its
        `answers`."""
        W_U = self._unembedding if matrix is None else matrix
        return {"values": torch.linalg.svdvals(W_U)[:5].tolist(), **self.answers(matrix)}

    @property
    def _unembedding(self) -> Tensor:
        return self._task.network.W_U[:, :DIGITS]

    def answers(self, matrix: Tensor | None = None) -> Mapping[str, float]:
        """The circle on which the digits stand in the unembedding, or in a matrix [d_model digit].

        `two` is the share of the first two singular values in the squared sum. `step` is how far an
        angle between neighbours is from 36 degrees, at most, and `radius` how far a radius is from
        the mean one, in units of it, at most. Singular vectors have no sign, so that the circle may
        come out mirrored: angles count in the direction that is nearer to 36 degrees.
        """
        W_U = self._unembedding if matrix is None else matrix
        _, S, Vh = torch.linalg.svd(W_U, full_matrices=False)
        points = [complex(x, y) for x, y in Vh[:2].T.tolist()]
        turns = [b / a for a, b in zip(points, points[1:] + points[:1], strict=True)]
        even = cmath.rect(1, 2 * math.pi / DIGITS)
        steps = [max(abs(cmath.phase(t / way)) for t in turns) for way in (even, 1 / even)]
        radii = [abs(point) for point in points]
        mean = sum(radii) / DIGITS
        return {
            "two": (S[:2].square().sum() / S.square().sum()).item(),
            "step": math.degrees(min(steps)),
            "radius": max(abs(radius - mean) for radius in radii) / mean,
        }

    def embedding(self) -> Tensor:
        """The embedding of the digits, for controls: [d_model digit]."""
        return self._digits.T

    def written(self, head: Head) -> Tensor:
        """What a head writes for each digit, for controls: [d_model digit]."""
        return (self._digits @ self._task.OV(head)).T


def _step(vector: Tensor) -> float:
    """1 if all elements of a vector have one size."""
    return (vector.abs().sum().square() / (len(vector) * vector.square().sum())).item()


def _circle(vectors: Tensor) -> float:
    """How well the second or third vector is the first, of period ten, a quarter turned: r2."""
    turns = torch.exp(2j * torch.pi * torch.arange(DIGITS) / DIGITS)
    fundamental = (vectors[:, 0] * turns.conj()).sum() * turns
    quarter = fundamental.imag
    return max(correlation(vectors[:, i], quarter) ** 2 for i in (1, 2))
