"""Attention scores of all heads on repeated random tokens, as the notebooks average them.

A score is mean attention from every query to the key some steps before, over the whole diagonal and
all rows. The notebooks' tokens are not known (they were drawn without a seed, or with one that is
not stated), so these are others from the same range. Those of one copy all differ here; in the
notebooks a few of them repeat by chance.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from replications.analysis.head_scores import repeated_tokens, unrepeated_tokens
from replications.lens import Lens, Read
from replications.models.sites import PATTERN

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
        self._found: dict[tuple[bool, bool], dict[Steps, Tensor]] = {}

    def score(self, steps: Steps, *, main: bool = False, repeated: bool = True) -> Tensor:
        """Mean attention of each head: float64 [layer head].

        `main` takes the main notebook's lengths and range. Without `repeated`, the second half is
        fresh tokens.
        """
        if (main, repeated) not in self._found:
            self._found[main, repeated] = self._scores(main, repeated)
        return self._found[main, repeated][steps]

    def _scores(self, main: bool, repeated: bool) -> dict[Steps, Tensor]:
        length, (low, high) = (MAIN_LENGTH, MAIN_RANGE) if main else (LENGTH, RANGE)
        back: dict[Steps, int] = {
            "previous_token": 1, "two_back": 2, "duplicate_token": length, "induction": length - 1,
        }  # fmt: skip

        def reduce(pattern: Tensor) -> Tensor:
            """[batch head steps] from [batch head query key]."""
            means = [pattern.diagonal(-n, -2, -1).double().mean(-1) for n in back.values()]
            return torch.stack(means, -1)

        high = min(high, self._lens.shape.d_vocab)
        ids = torch.arange(max(0, min(low, high - 2 * length)), high)
        tokens = (repeated_tokens if repeated else unrepeated_tokens)(ids, length, BATCH, SEED)
        reads = {str(i): Read(PATTERN(i), reduce) for i in range(self._lens.shape.n_layers)}
        found = self._lens.read(tokens, reads)
        stacked = torch.stack([found[name].mean(0) for name in reads])
        return dict(zip(back, stacked.unbind(-1), strict=True))
