"""The generator of training prompts, as a subject: what a batch looks like."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from torch import Tensor

from replications.systems.list_update.data import DOCUMENT, encode, generate, generate_mixed

BATCHES, SIZE = 60, 64


class Generator:
    """Batches of the document's task, checked token by token."""

    @cached_property
    def batches(self) -> dict[str, object]:
        """Share of right rows, share of batches with one index and element, indices, markers."""
        rng = np.random.default_rng(0)
        return _describe([generate(SIZE, rng) for _ in range(BATCHES)])

    @cached_property
    def batches_mixed(self) -> dict[str, object]:
        """The same with an index and an element for each prompt."""
        rng = np.random.default_rng(0)
        return _describe([generate_mixed(SIZE, rng) for _ in range(BATCHES)])


def _describe(batches: list[Tensor]) -> dict[str, object]:
    rows = [row for batch in batches for row in batch.tolist()]
    pairs = [{(row[5], row[6]) for row in batch.tolist()} for batch in batches]
    return {
        "right_rows": sum(_is_right(row) for row in rows) / len(rows),
        "batches_with_one_pair": sum(len(pair) == 1 for pair in pairs) / len(pairs),
        "indices": sorted({row[5] for row in rows}),
        "markers": sorted({(place, row[place]) for row in rows for place in (0, 4, 7)}),
    }


def _is_right(row: list[int]) -> bool:
    """Whether a row is its own prompt with the answer put together by hand."""
    answer = row[1:4]
    answer[row[5]] = row[6]
    return (
        len(row) == DOCUMENT.context
        and row[8:] == answer
        and row == encode(row[1:4], row[5], row[6]).tolist()
    )
