"""What heads do on repeated random tokens: induction, duplicate-token and previous-token scores.

In `t1 … tn t1 … tn`, a token of the second copy stands n after its first copy. An induction head
attends from there to the token after the first copy, n - 1 back; a duplicate-token head to the
first copy itself, n back; a previous-token head one back. A score is attention, a probability. It
says nothing about what a head then writes: heads that suppress the repeated token score as high.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens, Read
from replications.models.sites import PATTERN


def repeated_tokens(
    ids: Tensor, length: int, batch: int, seed: int, *, bos: int | None = None
) -> Tensor:
    """`length` random tokens, then a second copy of them: long [batch 2·length].

    With `bos`, that token comes first, and rows are one longer. The tokens of a copy all differ.
    `ids` [n] are the tokens to draw from.

    Raises BadInput for fewer ids than `length`, or for numbers below one.
    """
    first = _draw(ids, length, batch, seed)
    return _begin(torch.cat([first, first], 1), bos)


def unrepeated_tokens(
    ids: Tensor, length: int, batch: int, seed: int, *, bos: int | None = None
) -> Tensor:
    """Like `repeated_tokens`, but with fresh random tokens in place of the second copy.

    No token occurs twice. Raises BadInput for fewer ids than 2 · `length`.
    """
    return _begin(_draw(ids, 2 * length, batch, seed), bos)


def _draw(ids: Tensor, count: int, batch: int, seed: int) -> Tensor:
    if count < 1 or batch < 1 or seed < 0:
        raise BadInput("lengths and batches are at least 1, seeds at least 0")
    if len(ids) < count:
        raise BadInput(f"{count} different tokens cannot be drawn from {len(ids)}")
    order = np.random.default_rng(seed).random((batch, len(ids))).argsort(1)[:, :count]
    return ids[torch.from_numpy(order)]


def _begin(tokens: Tensor, bos: int | None) -> Tensor:
    return tokens if bos is None else torch.nn.functional.pad(tokens, (1, 0), value=bos)


@dataclass(frozen=True)
class HeadScores:
    """Mean attention of each head on each row of tokens: float64 [layer head batch]."""

    induction: Tensor
    duplicate: Tensor
    previous: Tensor


def scores(lens: Lens, tokens: Tensor, length: int) -> HeadScores:
    """The scores on tokens whose last 2 · `length` positions are two copies: [batch pos].

    Induction and duplicate scores are means over the second copy, previous-token scores over both.
    Raises BadInput for tokens that are too short.
    """
    if tokens.shape[1] < 2 * length or length < 2:
        raise BadInput(f"two copies of {length} tokens do not fit in {tokens.shape[1]} positions")
    second = tokens.shape[1] - length
    diagonals = [(length - 1, second), (length, second), (1, second - length + 1)]
    return HeadScores(*_means(lens, tokens, diagonals))


def attention_back(lens: Lens, tokens: Tensor, steps: int, *, first: int) -> Tensor:
    """Mean attention of queries `first` and later to the key `steps` before: [layer head batch].

    Float64. Raises BadInput where the key of the first query would be before the text.
    """
    if not 0 <= steps <= first < tokens.shape[1]:
        raise BadInput(f"no key {steps} before position {first} of {tokens.shape[1]}")
    return _means(lens, tokens, [(steps, first)])[0]


def _means(lens: Lens, tokens: Tensor, diagonals: Sequence[tuple[int, int]]) -> Tensor:
    """Means over diagonals, given as (steps back, first query): [diagonal layer head batch]."""

    def reduce(pattern: Tensor) -> Tensor:
        """[batch head diagonal] from [batch head query key]."""
        parts = [
            pattern.diagonal(-steps, -2, -1)[..., first - steps :].double().mean(-1)
            for steps, first in diagonals
        ]
        return torch.stack(parts, -1)

    reads = {str(i): Read(PATTERN(i), reduce) for i in range(lens.shape.n_layers)}
    found = lens.read(tokens, reads)
    return torch.stack([found[name] for name in reads]).permute(3, 0, 2, 1)
