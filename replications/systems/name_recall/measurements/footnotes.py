"""Footnotes 7 and 10: other metrics, sites and names; and closing brackets, of another document."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.systems.name_recall.data import OPEN_AND_CLOSED, Corruption
from replications.systems.name_recall.task import Metric, Task

BOTH: Sequence[Corruption] = ("last_name", "first_name")
"""The two corruptions whose maps are compared, one after the other."""


class Footnotes:
    """Whether other choices give the same picture."""

    def __init__(self, task: Task) -> None:
        self._task = task

    # ---------------------------------------------------------------- other metrics
    def agreement(
        self, corruptions: Sequence[Corruption] = BOTH, *, shift: int = 0
    ) -> dict[str, float]:
        """Spearman correlations with the document's maps, both corruptions of the first sentence.

        probability, log_probability: residual-stream maps of the right last name's;
        names_exchanged: residual-stream maps with the two people exchanged; attn_out: maps of
        whole attention outputs, against the sum of the effects of their heads.  For controls,
        `corruptions` takes the other maps in another order, and `shift` moves them by positions.
        """
        task = self._task
        exchanged = task.about([n.swapped for n in task.names])
        document = _flat([task.map("residual", c) for c in BOTH])
        heads = _flat([task.effect("heads_by_position", c).sum(1) for c in BOTH])
        others = {
            "probability": [self._map(probability, c) for c in corruptions],
            "log_probability": [self._map(log_probability, c) for c in corruptions],
            "names_exchanged": [exchanged.map("residual", c) for c in corruptions],
            "attn_out": [task.effect("attn_out", c) for c in corruptions],
        }
        return {
            part: stats.spearman(
                heads if part == "attn_out" else document, _flat([m.roll(shift, -1) for m in maps])
            )
            for part, maps in others.items()
        }

    def _map(self, scale: Metric, corruption: Corruption) -> Tensor:
        """The residual-stream map of the right last name's mean value on a scale of logits."""

        def metric(logits: Tensor) -> Tensor:
            return right_name(scale(logits), self._task.prompts.correct)

        return self._task.map_of("residual", corruption, metric)

    # ---------------------------------------------------------------- brackets
    def likelier_in_bracket(self, mark: str) -> float:
        """How much likelier a mark is if a bracket is open: mean difference of log probability."""
        token, next_token = self._task.tokenizer.token(mark), self._task.next_token
        found = [next_token(a)[token] - next_token(b)[token] for a, b in OPEN_AND_CLOSED]
        return torch.stack(found).mean().item()


def probability(logits: Tensor) -> Tensor:
    return logits.softmax(-1)


def log_probability(logits: Tensor) -> Tensor:
    return logits.log_softmax(-1)


def right_name(values: Tensor, correct: Tensor) -> Tensor:
    """The entries [… n] of values [… n d_vocab_out] at the tokens `correct` [n]."""
    return values.gather(-1, correct[:, None].expand(*values.shape[:-1], 1))[..., 0]


def _flat(maps: Sequence[Tensor]) -> Tensor:
    """Maps in one vector, rescaled to 0 … 1 and rounded to hundredths.

    Smaller differences cannot be seen in a picture, and their order is noise.
    """
    joined = torch.cat([found.flatten() for found in maps])
    return ((joined - joined.min()) / (joined.max() - joined.min())).round(decimals=2)
