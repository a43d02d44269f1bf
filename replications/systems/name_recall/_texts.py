"""The names, and the texts that toys are trained on: short sentences about a few people.

A text is about two to four people.  Their names are drawn anew for every text, so no last name can
be learned by heart, and because a text has several people, only the first name tells which last
name comes next.  The last name of a person who appears for the first time cannot be predicted.
Some rows are instead a random list of words, repeated, as real text has lists and quotations.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models.tokenizers import Tokenizer

CONTEXT = 32
"""Tokens of a text, the opening token included."""

FIRST_NAMES = (
    "Alex", "Sarah", "John", "Mary", "David", "Michael", "Robert", "William", "Daniel", "Paul",
    "George", "Steven", "Andrew", "Peter", "Kevin", "Brian", "Jason", "Jeff", "Ryan", "Eric",
    "Anna", "Emma", "Lisa", "Laura", "Kate", "Jane", "Rachel", "Amy", "Julia", "Alice",
)  # fmt: skip
LAST_NAMES = (
    "Hart", "Carroll", "Smith", "Johnson", "Williams", "Jones", "Miller", "Davis", "Wilson",
    "Anderson", "Moore", "Jackson", "Martin", "Thompson", "Clark", "Lewis", "Robinson", "Walker",
    "Wright", "Nelson", "Carter", "Mitchell", "Roberts", "Turner", "Phillips", "Campbell", "Evans",
    "Edwards", "Collins", "Stewart", "Morris", "Murphy", "Rogers", "Cooper", "Peterson", "Bailey",
    "Howard", "Watson", "Brooks", "Bennett",
)  # fmt: skip

PERSON = "{}"
SENTENCES = (
    "Her name was {} .",
    "His name was {} .",
    "Tomorrow at lunch time {} will arrive .",
    "Yesterday {} wrote a letter .",
    "In the morning {} met {} .",
    "{} has a small garden .",
    "The doctor called {} last week .",
    "A friend of {} moved to the city .",
    "{} and {} bought a house .",
    "After dinner {} played the piano .",
    "We heard that {} was late .",
    "On Monday {} saw {} at the station .",
    "Nobody knew why {} left .",
    "The teacher asked {} about the book .",
)
MOST_PEOPLE = 4
SHORTEST = 4
"""The fewest random words in a repeated list."""


def words() -> tuple[str, ...]:
    """The vocabulary of the toys: every word of the sentences, then the names."""
    common = {word: None for s in SENTENCES for word in s.split() if word != PERSON}
    return (*common, *FIRST_NAMES, *LAST_NAMES)


@cache
def tokenizer() -> Tokenizer:
    """The tokenizer of the toys: one token for each word of the sentences and each name."""
    return Tokenizer.from_words(words())


@cache
def _encoded() -> tuple[tuple[tuple[int, ...], ...], ...]:
    """The tokens of each sentence, split at its people: before, between and after them."""
    t = tokenizer()
    return tuple(tuple(tuple(t.encode(part)) for part in s.split(PERSON)) for s in SENTENCES)


@cache
def _name_tokens() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tokens of the first names, and those of the last names."""
    t = tokenizer()
    return tuple(map(t.token, FIRST_NAMES)), tuple(map(t.token, LAST_NAMES))


def generate(rows: int, rng: np.random.Generator, repeats: float = 0.0) -> Tensor:
    """`rows` texts, long [row pos], each with BOS in front and cut off at CONTEXT tokens.

    `repeats`, from 0 to 1, is the share of rows that are repeated lists of random words.  Raises
    BadInput for fewer than one row, or for a share outside that range.
    """
    if rows < 1:
        raise BadInput(f"cannot generate {rows} texts: ask for at least one")
    if not 0 <= repeats <= 1:
        raise BadInput(f"repeats is a share from 0 to 1, not {repeats}")
    twice = round(rows * repeats)
    made = [_text(rng) for _ in range(rows - twice)] + [_repeated(rng) for _ in range(twice)]
    return torch.tensor(made)


def _text(rng: np.random.Generator) -> list[int]:
    people = _people(rng)
    made = [0]
    while len(made) < CONTEXT:
        parts = _encoded()[rng.integers(len(SENTENCES))]
        made += parts[0]
        for who, part in zip(rng.permutation(len(people)), parts[1:], strict=False):
            made += [*people[who], *part]
    return made[:CONTEXT]


def _people(rng: np.random.Generator) -> list[tuple[int, int]]:
    """The people of one text as tokens (first name, last name), all different."""
    n = int(rng.integers(2, MOST_PEOPLE + 1))
    firsts, lasts = (rng.choice(names, n, replace=False).tolist() for names in _name_tokens())
    return list(zip(firsts, lasts, strict=True))


def _repeated(rng: np.random.Generator) -> list[int]:
    """One list of random words, repeated until the context is full."""
    # Every row has a period of its own: with a common period a model could learn to look a fixed
    # number of positions back, and not for what followed a word.
    period = int(rng.integers(SHORTEST, CONTEXT // 2))
    once = (1 + rng.permutation(len(tokenizer()) - 1)[:period]).tolist()
    return [0, *once * (CONTEXT // period + 1)][:CONTEXT]


def last_name_again(tokens: Tensor) -> Tensor:
    """Whether the next token is a last name that the text has already given: bool [row pos-1]."""
    first, last = (torch.tensor(names) for names in _name_tokens())
    recalled = torch.isin(tokens[:, :-1], first) & torch.isin(tokens[:, 1:], last)
    seen = (tokens[:, :, None] == tokens[:, None, :]).tril(-1).any(-1)
    return recalled & seen[:, 1:]
