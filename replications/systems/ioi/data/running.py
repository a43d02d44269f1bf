"""Long texts, for models that cannot name the indirect object by its position alone.

A row of `corpus` is one sentence that starts at position 0, so positions are enough to copy from
and no induction head forms. Here sentences follow one another, so a prompt can start anywhere, and
a third of the rows repeat random tokens at a distance that is new in each row.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from replications.systems.ioi.data.corpus import Text, together, without_answers
from replications.systems.ioi.data.prompts import (
    Prompts,
    encode,
    generate,
    generate_three,
    name_tokens,
)
from replications.systems.ioi.data.words import toy_tokenizer

CONTEXT = 64
"""Tokens of a row, all of which are used."""
REPEATED = 0.3
"""Share of rows that repeat random tokens."""
PERIODS = (4, 31)
"""Shortest and longest distance at which such a row repeats itself."""
KINDS = {"ioi": 0.55, "three": 0.10, "filler": 0.15, "segment": 0.20}
"""What sentences of the other rows are: prompts, three names, random words, random words twice."""
STARTS_WITH_PROMPT = 0.5
"""Share of the other rows whose first sentence is a prompt whatever `KINDS` says.

That is how models are measured.
"""
FILLER, SEGMENT = (3, 12), (3, 8)
"""Fewest and most random words of a filler sentence, and of a segment that is said twice."""


def running_text(n: int, rng: np.random.Generator, slip: float) -> Text:
    """n rows, drawn with `rng`; in prompts the wrong name follows with probability `slip`."""
    repeated = round(n * REPEATED)
    return together([_running(n - repeated, rng, slip), without_answers(_repeats(repeated, rng))])


def _repeats(n: int, rng: np.random.Generator) -> Tensor:
    rows = torch.zeros(n, CONTEXT, dtype=torch.long)
    for row, period in enumerate(rng.integers(PERIODS[0], PERIODS[1] + 1, n)):
        said = _random_words(int(period), rng)
        rows[row, 1:] = torch.tensor(said * CONTEXT)[: CONTEXT - 1]
    return rows


def _random_words(count: int, rng: np.random.Generator) -> list[int]:
    # Token 0 opens a text.
    drawn: list[int] = rng.integers(1, len(toy_tokenizer()), count).tolist()
    return drawn


def _running(n: int, rng: np.random.Generator, slip: float) -> Text:
    """Rows of sentences; the last one is cut off at the end of the row."""
    sentences = _Sentences(n, rng, slip)
    tokens = torch.zeros(n, CONTEXT, dtype=torch.long)
    rows, places, answers, probabilities = [], [], [], []
    for row in range(n):
        line = [0]
        kind = "ioi" if rng.random() < STARTS_WITH_PROMPT else sentences.kind()
        while len(line) < CONTEXT:
            words, at, names, probability = sentences.next(kind)
            if names and len(line) + at < CONTEXT:
                rows.append(row)
                places.append(len(line) + at)
                answers.append(names)
                probabilities.append(probability)
            line += words
            kind = sentences.kind()
        tokens[row] = torch.tensor(line[:CONTEXT])
    return Text(
        tokens, torch.tensor(rows), torch.tensor(places), torch.tensor(answers),
        torch.tensor(probabilities),
    )  # fmt: skip


Sentence = tuple[list[int], int, list[int], float]
"""Tokens, place of the last token before the answer, its two names (none: []), and how likely the
first of them is."""


class _Sentences:
    """As many sentences of each kind as n rows can hold."""

    def __init__(self, n: int, rng: np.random.Generator, slip: float) -> None:
        self._rng = rng
        seeds = [int(seed) for seed in rng.integers(0, 2**31, 2)]
        # No prompt has fewer than 15 tokens.
        most = n * (CONTEXT // 15 + 1)
        two, three = generate(most, seeds[0]), generate_three(most, seeds[1])
        right = torch.stack([two.names_in(two.io_slot), two.names_in(two.s_slot)], 1)
        self._made = {
            "ioi": _completed(two, right, 1 - slip, rng),
            "three": _completed(three, three.names[:, :2], 0.5, rng),
        }

    def kind(self) -> str:
        return str(self._rng.choice(list(KINDS), p=list(KINDS.values())))

    def next(self, kind: str) -> Sentence:
        if kind in self._made:
            return next(self._made[kind])
        low, high = FILLER if kind == "filler" else SEGMENT
        words = _random_words(int(self._rng.integers(low, high + 1)), self._rng)
        stop = toy_tokenizer().encode(".")
        return (words if kind == "filler" else words * 2) + stop, 0, [], 1.0


def _completed(
    prompts: Prompts, names: Tensor, probability: float, rng: np.random.Generator
) -> Iterator[Sentence]:
    tokenizer = toy_tokenizer()
    batch, stop = encode(prompts, tokenizer, bos=False), tokenizer.encode(".")
    slips = rng.random(len(batch)) >= probability
    # `generate` goes through the templates in turn: in that order each would announce the next.
    order = torch.from_numpy(rng.permutation(len(batch)))
    rows = zip(
        batch.tokens[order].tolist(), batch.end[order].tolist(),
        name_tokens(tokenizer)[names[order]].tolist(), slips, strict=True,
    )  # fmt: skip
    for tokens, end, both, slip in rows:
        yield [*tokens[: end + 1], both[int(slip)], *stop], end, both, probability
