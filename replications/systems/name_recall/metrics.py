"""Whether other metrics, other sites and exchanged names give the same picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from replications.analysis import statistics as stats
from replications.systems.name_recall import data
from replications.systems.name_recall.patches import Corruption, Metric, Patches

if TYPE_CHECKING:
    from replications.systems.name_recall.measure import NameRecallSubject


BOTH: Sequence[Corruption] = ("last_name", "first_name")
OTHER: Sequence[Corruption] = ("first_name", "last_name")


class Metrics:
    """Rank correlations with the maps of the document's metric, of two corruptions together.

    Maps are of the residual stream, by row and position.
    """

    def __init__(self, subject: NameRecallSubject) -> None:
        self._s = subject

    @cached_property
    def agreement(self) -> dict[str, float]:
        """Of probability, log probability, exchanged people, and whole attention outputs.

        The last are compared with the sum of the effects of their heads.
        """
        return self._agreements(BOTH)

    @cached_property
    def agreement_of_other_corruption(self) -> dict[str, float]:
        """The same with the two corruptions exchanged on one side."""
        return self._agreements(OTHER)

    def _agreements(self, corruptions: Sequence[Corruption]) -> dict[str, float]:
        s, patches = self._s, self._s.patches
        exchanged = data.prompts(s.tokenizer, [n.swapped for n in s.prompt_names])
        document = _differences(patches, BOTH)
        outputs = [patches.effect("attn_out", c) for c in corruptions]
        heads = [patches.effect("heads_by_position", c).sum(1) for c in BOTH]
        return {
            "probability": stats.spearman(document, self._map(probability, corruptions)),
            "log_probability": stats.spearman(document, self._map(log_probability, corruptions)),
            "names_exchanged": stats.spearman(
                document, _differences(s.patches_on(exchanged), corruptions)
            ),
            "attn_out": stats.spearman(_flat(heads), _flat(outputs)),
        }

    def _map(self, scale: Metric, corruptions: Sequence[Corruption]) -> Tensor:
        """Maps of the mean of the right last name, on a scale of all logits."""
        right = self._s.prompts.correct[:, None]

        def metric(logits: Tensor) -> Tensor:
            return _pick(scale(logits), right)

        return _flat([self._s.patches.map_of("residual", c, metric) for c in corruptions])


def probability(logits: Tensor) -> Tensor:
    return logits.softmax(-1)


def log_probability(logits: Tensor) -> Tensor:
    return logits.log_softmax(-1)


def _differences(patches: Patches, corruptions: Sequence[Corruption]) -> Tensor:
    """Maps of the document's metric."""
    return _flat([patches.map("residual", c) for c in corruptions])


def _flat(maps: Sequence[Tensor]) -> Tensor:
    """Maps in one vector, in hundredths of their range.

    What is smaller cannot be seen in a picture, and its order is noise.
    """
    joined = torch.cat([found.flatten() for found in maps])
    return ((joined - joined.min()) / (joined.max() - joined.min())).round(decimals=2)


def _pick(values: Tensor, tokens: Tensor) -> Tensor:
    """The entries [… n] of values [… n d_vocab_out] at tokens [n 1]."""
    return values.gather(-1, tokens.expand(*values.shape[:-1], 1))[..., 0]
