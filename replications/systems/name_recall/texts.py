"""Texts the toy model is trained on: short sentences about people with a first and a last name.

A text is about two to four people, drawn anew each time, so that no last name can be learned by
heart; with several people in one text it is the first name that says which last name comes next.
Someone who appears for the first time has a last name that nobody can know.  A share of the rows
are random words said twice, as real text has lists and quotations.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models.tokenizers import Tokenizer
from replications.systems.name_recall.data import FIRST_NAMES, LAST_NAMES

CONTEXT = 32
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
"""Random words in a row before they are said again, at least."""


def words() -> tuple[str, ...]:
    """The vocabulary: every word of the sentences, then the names."""
    common = {word: None for s in SENTENCES for word in s.split() if word != PERSON}
    return (*common, *FIRST_NAMES, *LAST_NAMES)


@cache
def tokenizer() -> Tokenizer:
    """One token per word of the sentences and names."""
    return Tokenizer.from_words(words())


@cache
def _encoded() -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Each sentence as its parts around the people: tokens before the first, between two, after."""
    t = tokenizer()
    return tuple(tuple(tuple(t.encode(part)) for part in s.split(PERSON)) for s in SENTENCES)


@cache
def _name_tokens() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """First names and last names, as tokens."""
    t = tokenizer()
    return tuple(map(t.token, FIRST_NAMES)), tuple(map(t.token, LAST_NAMES))


def generate(rows: int, rng: np.random.Generator, repeats: float = 0.0) -> Tensor:
    """`rows` texts, long [row pos], each opened by BOS and cut at CONTEXT tokens.

    The share `repeats` of them are random words said twice.  Raises BadInput for no rows, or a
    share that is none.
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
    """First and last name of the people of one text, all different."""
    n = int(rng.integers(2, MOST_PEOPLE + 1))
    firsts, lasts = (rng.choice(names, n, replace=False).tolist() for names in _name_tokens())
    return list(zip(firsts, lasts, strict=True))


def _repeated(rng: np.random.Generator) -> list[int]:
    """Random words over and over."""
    # Each row at a distance of its own: one that all rows share is learned as a position, and not
    # as what follows a word.
    period = int(rng.integers(SHORTEST, CONTEXT // 2))
    once = (1 + rng.permutation(len(tokenizer()) - 1)[:period]).tolist()
    return [0, *once * (CONTEXT // period + 1)][:CONTEXT]


def last_name_again(tokens: Tensor) -> Tensor:
    """Whether the next token is a last name that its text has already given: bool [row pos-1]."""
    first, last = (torch.tensor(names) for names in _name_tokens())
    recalled = torch.isin(tokens[:, :-1], first) & torch.isin(tokens[:, 1:], last)
    seen = (tokens[:, :, None] == tokens[:, None, :]).tril(-1).any(-1)
    return recalled & seen[:, 1:]
