"""What the toy models are trained on: completed prompts, three-name sentences, repeated lists.

Sentences are those of `prompts`, completed by a name and a full stop. After three different names,
either of the first two may follow. Repeated lists of names are there because real text repeats
itself, and a model may use what it learns from that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from replications.systems.ioi.data.prompts import (
    Batch,
    encode,
    generate,
    generate_three,
    name_tokens,
)
from replications.systems.ioi.data.words import NAMES, ROLL_CALL, toy_tokenizer

CONTEXT = 22
"""Tokens of a text, padding included."""
LISTED = (3, 7)
"""Fewest and most names of a repeated list."""
SHARES = {"ioi": 0.6, "three": 0.15}
"""Shares of sentences with a repeated name and with three names. All other texts are lists."""


@dataclass(frozen=True, eq=False)
class Text:
    """n texts with k answers. Each starts with token 0 and is padded on the right with token 0."""

    tokens: Tensor
    """long [n pos]"""
    row: Tensor
    """The text of each answer: long [k]"""
    answer_at: Tensor
    """Position of the last token before each answer: long [k]"""
    answers: Tensor
    """Tokens of the right name and of the other: long [k 2]"""
    probability: Tensor
    """Probability that the right name followed, and not the other: [k]"""


def text(n: int, rng: np.random.Generator, slip: float) -> Text:
    """n texts of the three kinds, drawn with `rng`.

    In sentences with a repeated name, the wrong name follows with probability `slip`.
    """
    ioi, three = (round(n * SHARES[kind]) for kind in ("ioi", "three"))
    seeds = [int(seed) for seed in rng.integers(0, 2**31, 2)]
    prompts, others = generate(ioi, seeds[0]), generate_three(three, seeds[1])
    tokenizer = toy_tokenizer()
    names = name_tokens(tokenizer)
    right = [names[prompts.names_in(s)] for s in (prompts.io_slot, prompts.s_slot)]
    parts = [
        _complete(encode(prompts, tokenizer, bos=True), torch.stack(right, 1), 1 - slip, rng),
        _complete(encode(others, tokenizer, bos=True), names[others.names[:, :2]], 0.5, rng),
        _lists(n - ioi - three, rng),
    ]
    return together(parts)


def together(parts: Sequence[Text]) -> Text:
    """Texts of one length, one after another."""
    before = np.cumsum([0, *(len(part.tokens) for part in parts[:-1])]).tolist()
    rows = torch.cat([part.row + start for part, start in zip(parts, before, strict=True)])
    tokens, answer_at, answers, probability = (
        torch.cat([getattr(part, name) for part in parts])
        for name in ("tokens", "answer_at", "answers", "probability")
    )
    return Text(tokens, rows, answer_at, answers, probability)


def without_answers(tokens: Tensor) -> Text:
    """Texts [n pos] in which nothing is asked."""
    none = torch.zeros(0, dtype=torch.long)
    return Text(tokens, none, none, none.reshape(0, 2), torch.zeros(0))


def _complete(batch: Batch, answers: Tensor, probability: float, rng: np.random.Generator) -> Text:
    """The prompts, each with an answer that is right with this probability, and a full stop."""
    n, length = batch.tokens.shape
    tokens = torch.nn.functional.pad(batch.tokens, (0, CONTEXT - length))
    wrong = torch.from_numpy(rng.random(n) >= probability).long()
    stop = torch.full((n, 1), toy_tokenizer().token("."))
    tokens.scatter_(1, batch.end[:, None] + 1, answers.gather(1, wrong[:, None]))
    tokens.scatter_(1, batch.end[:, None] + 2, stop)
    return Text(tokens, torch.arange(n), batch.end, answers, torch.full((n,), probability))


def _lists(n: int, rng: np.random.Generator) -> Text:
    tokenizer = toy_tokenizer()
    names = name_tokens(tokenizer)
    first, second = (tokenizer.encode(words) for words in ROLL_CALL)
    stop = tokenizer.encode(".")
    tokens = torch.zeros(n, CONTEXT, dtype=torch.long)
    for row, count in enumerate(rng.integers(LISTED[0], LISTED[1] + 1, n)):
        chosen = names[torch.from_numpy(rng.permutation(len(NAMES))[:count])].tolist()
        line = [*tokenizer.encode("", bos=True), *first, *chosen, *second, *chosen, *stop]
        tokens[row, : len(line)] = torch.tensor(line)
    return without_answers(tokens)
