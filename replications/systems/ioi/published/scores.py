"""Attention scores of all heads on repeated random tokens, as the notebooks average them.

A score is mean attention from every query to the key some steps before, over the whole diagonal and
all rows. The notebooks' tokens are not known (they were drawn without a seed, or with one that is
not stated), so these are others from the same range.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from replications.analysis.head_scores import attention_back, repeated_tokens, unrepeated_tokens
from replications.lens import Lens

Steps = Literal["previous_token", "two_back", "duplicate_token", "induction"]
BATCH, SEED = 10, 0
LENGTH, RANGE = 100, (100, 20_000)
"""Tokens of one copy in the exploratory notebook, and the range they are drawn from."""
MAIN_LENGTH, MAIN_RANGE = 50, (1_000, 10_000)
"""The same in the main notebook."""


class HeadScores:
    """Scores of one model's heads."""

    def __init__(self, lens: Lens) -> None:
        self._lens = lens
        self._found: dict[tuple[Steps, bool, bool], Tensor] = {}

    def score(self, steps: Steps, *, main: bool = False, repeated: bool = True) -> Tensor:
        """Mean attention of each head: float64 [layer head].

        `main` takes the main notebook's lengths and range. Without `repeated`, the second half is
        fresh tokens.
        """
        key = (steps, main, repeated)
        if key not in self._found:
            length, (low, high) = (MAIN_LENGTH, MAIN_RANGE) if main else (LENGTH, RANGE)
            high = min(high, self._lens.shape.d_vocab)
            ids = torch.arange(min(low, high - 2 * length), high)
            draw = repeated_tokens if repeated else unrepeated_tokens
            tokens = draw(ids, length, BATCH, SEED)
            back = {
                "previous_token": 1, "two_back": 2, "duplicate_token": length,
                "induction": length - 1,
            }[steps]  # fmt: skip
            self._found[key] = attention_back(self._lens, tokens, back, first=back).mean(-1)
        return self._found[key]
