"""What needs no model: the flipped data sets, and two arguments in numbers."""

from __future__ import annotations

from functools import cached_property

import torch

from replications.systems.ioi.prompts import generate
from replications.systems.ioi.signals import POSITION, RULES, TOKEN, share_realised, signals_of
from replications.systems.ioi.task import SEED

PROMPTS = 48
CLEAN, ATTRIBUTION = 2.8052, 1.7086
"""Printed in the document."""


class Arithmetic:
    """The texts and the numbers of the document's arguments."""

    @cached_property
    def flips(self) -> float:
        """Share of prompts in which both signals are those of the table."""
        return share_realised(generate(PROMPTS, SEED), RULES, SEED)

    @cached_property
    def flips_with_two_patterns_exchanged(self) -> float:
        """The same with the rules of two data sets exchanged."""
        swapped = {**RULES, (1, 0): RULES[2, 0], (2, 0): RULES[1, 0]}
        return share_realised(generate(PROMPTS, SEED), swapped, SEED)

    @cached_property
    def printed_example(self) -> float:
        """The same of the sentence the document prints for a random token and inverted position.

        Its second clause repeats the second name, as the sentence it was made from does.
        """
        before = "When Mary and John went to the store, John gave a drink to"
        after = "When Paul and Emma went to the store, Emma gave a drink to"
        return float(signals_of(before, after) == (TOKEN[1], POSITION[1]))

    @property
    def naive(self) -> float:
        """The clean logit difference less the attribution of 9.9, as printed."""
        return CLEAN - ATTRIBUTION

    @property
    def clean(self) -> float:
        return CLEAN

    @property
    def softmax(self) -> dict[str, float]:
        """Attention on the second of two tokens with scores 0 and -8, once 4 or 8 is added."""
        return {"one_head": _attention(-4.0), "both_heads": _attention(0.0)}

    @property
    def linear(self) -> dict[str, float]:
        """The same if attention were linear in the scores, with softmax's slope at the start."""
        start = _attention(-8.0)
        slope = start * (1 - start)
        return {"one_head": start + 4 * slope, "both_heads": start + 8 * slope}


def _attention(score: float) -> float:
    return torch.tensor([0.0, score], dtype=torch.float64).softmax(0)[1].item()
