"""The answer is an angle: how it is read off the final stream.

The unembedding of the digits has two strong directions, with singular values s1 and s2, stream-side
vectors u1 and u2, and output-side vectors v1 and v2. A stream x adds s1 (x u1) v1 + s2 (x u2) v2 to
the logits: digit d is the better answer the closer (s1 x u1, s2 x u2) is in angle to (v1, v2) at d.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from replications.models import sites
from replications.systems.algorithmic.data.addition import ANSWERED, DIGITS, sum_digits
from replications.systems.algorithmic.task import Task


class Readout:
    """Answers that are read off two directions of the stream at =, C0, C1 and C2."""

    def __init__(self, task: Task) -> None:
        self._task = task

    @cached_property
    def _svd(self) -> tuple[Tensor, Tensor, Tensor]:
        return tuple(torch.linalg.svd(self._task.network.W_U[:, :DIGITS], full_matrices=False))

    def points(self, layer: int = 1, first: int = 0) -> tuple[Tensor, Tensor]:
        """The stream after a layer and the digits, in two directions: [n answer 2], [digit 2].

        The stream is multiplied by the singular values.
        """
        U, S, Vh = self._svd
        two = slice(first, first + 2)
        stream = self._task.activation(sites.RESID_POST(layer))[:, list(ANSWERED)]
        return stream @ U[:, two] * S[two], Vh[two].T

    def angles(
        self,
        *,
        layer: int = 1,
        first: int = 0,
        label: Literal["answer", "sum digit"] = "answer",
    ) -> Mapping[str, float]:
        """How well two directions of the final stream tell the answer.

        The share of right answers by the logits of rank two, and by the angle alone; `resultant`
        is the mean resultant length of the angles of one digit, for the digit where it is
        smallest. For controls: the stream after layer 0, other directions, or the sum digit.
        """
        points, digits = self.points(layer, first)
        examples = self._task.examples
        wanted = examples.labels if label == "answer" else sum_digits(examples.tokens)
        scale = self._task.scale(None if layer else 1)[:, list(ANSWERED), None]
        logits = points @ digits.T / scale + self._task.network.b_U[:DIGITS]
        turned = torch.view_as_complex(points.contiguous())
        stand = torch.view_as_complex(digits.contiguous())
        apart = (turned[..., None] * stand.conj()).angle().abs()
        unit = turned / turned.abs()
        lengths = [unit[wanted == digit].mean().abs() for digit in range(DIGITS)]
        return {
            "rank_two": (logits.argmax(-1) == wanted).double().mean().item(),
            "angle": (apart.argmin(-1) == wanted).double().mean().item(),
            "resultant": torch.stack(lengths).min().item(),
        }
