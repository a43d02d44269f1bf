"""The section "Task dataset": the generator of training prompts, batch by batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from replications.systems.list_update.data import generate, generate_mixed
from replications.systems.list_update.format import BOS, DOCUMENT, NL, NUMBERS

BATCHES, SIZE = 60, 64


class Generator:
    """The generator of the document's prompts, as a subject of its own; there is no model."""

    def batches(
        self, mixed: bool = False, change: Callable[[Tensor], Tensor] | None = None
    ) -> dict[str, object]:
        """Describe 60 batches of 64 prompts; `mixed` prompts do not share an index and an element.

        `change` takes and returns the tokens of a batch [prompt pos] before they are described.
        `right_rows` is the share of rows with the right form and answer, `batches_with_one_pair`
        the share of batches with one index and one new element, `indices` are all indices that
        occur, `markers` all pairs (position, token) at the positions of BOS and NL.
        """
        rng = np.random.default_rng(0)
        draw = generate_mixed if mixed else generate
        batches = [draw(SIZE, rng) for _ in range(BATCHES)]
        return _describe(batches if change is None else [change(batch) for batch in batches])


def without_bos(tokens: Tensor) -> Tensor:
    """Prompts [prompt pos] that lack BOS, so that everything stands one position earlier."""
    return tokens[:, 1:]


def counted_from_1(tokens: Tensor) -> Tensor:
    """Prompts [prompt pos] whose indices are counted from 1; their answers are as before."""
    changed = tokens.clone()
    changed[:, DOCUMENT.index_position] += 1
    return changed


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
    """Whether a row is a prompt of the document followed by the answer, here put together anew."""
    numbers, index, element = row[1:4], row[5], row[6]
    if len(row) != DOCUMENT.context or index not in range(3):
        return False
    answer = [element if place == index else number for place, number in enumerate(numbers)]
    written = [BOS, *numbers, NL, index, element, NL, *answer]
    return row == written and max(*numbers, element) < NUMBERS
