"""Metrics of logits that several studies share: logit differences, and the share recovered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from replications.lens import Lens
from replications.patching.results import recovery

Metric = Callable[[Tensor], Tensor]
"""Logits [batch pos d_vocab_out] to one number per example, [batch]."""


def logit_difference(
    logits: Tensor, position: Tensor, correct: Tensor, incorrect: Tensor
) -> Tensor:
    """logit(correct) - logit(incorrect) at one position of each example: float64 [batch].

    `logits` are [batch pos d_vocab_out]; the others are long [batch].
    """
    rows = torch.arange(len(logits))
    there = logits[rows, position].double()
    return there[rows, correct] - there[rows, incorrect]


@dataclass(frozen=True)
class RecoveryMetric:
    """A logit difference, as the share of the way from a corrupted run (0) to a clean one (1).

    `position`, `correct` and `incorrect` are long [batch]; `clean` and `corrupted` are the
    logit differences of the two unpatched runs, float64 [batch].
    """

    position: Tensor
    correct: Tensor
    incorrect: Tensor
    clean: Tensor
    corrupted: Tensor

    @classmethod
    def between(
        cls,
        lens: Lens,
        tokens: tuple[Tensor, Tensor],
        position: Tensor,
        correct: Tensor,
        incorrect: Tensor,
    ) -> RecoveryMetric:
        """The metric between the runs of `tokens` = (clean, corrupted), each [batch pos]."""
        clean, corrupted = (
            logit_difference(lens.run(t).logits, position, correct, incorrect) for t in tokens
        )
        return cls(position, correct, incorrect, clean, corrupted)

    def __call__(self, logits: Tensor) -> Tensor:
        """The share recovered in logits [batch pos d_vocab_out]: float64 [batch]."""
        return self.share(logit_difference(logits, self.position, self.correct, self.incorrect))

    def share(self, differences: Tensor) -> Tensor:
        """The share recovered by logit differences [… batch] that were read already: float64."""
        return recovery(differences.double(), self.corrupted, self.clean)
