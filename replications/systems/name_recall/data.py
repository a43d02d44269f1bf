"""Prompts of the name-recall task: a full name is given, then its first name is repeated.

The document's prompt is "Her name was Alex Hart. Tomorrow at lunch time Alex", to be continued
with " Hart" (Step 2).  Each of three corruptions changes one word: the last name, the first
occurrence of the first name, or the second.  We also put other names into the same sentence.

Everything here is a pure function of a tokenizer and a seed.  The names and the texts that the
toys are trained on are in `_texts`, and are imported from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models.tokenizers import Tokenizer
from replications.systems.name_recall._texts import (
    CONTEXT,
    FIRST_NAMES,
    LAST_NAMES,
    generate,
    last_name_again,
    tokenizer,
    words,
)

__all__ = [
    "COMMON_WORDS", "CONTEXT", "CORRUPTIONS", "DOCUMENT", "END", "FIRST", "FIRST_NAMES", "LAST",
    "LAST_NAMES", "OPEN_AND_CLOSED", "SENTENCE", "Corruption", "Names", "Prompts", "TwoPeople",
    "check", "document_prompts", "generate", "last_name_again", "name_pairs", "prompts", "single",
    "tokenizer", "two_people", "without_introduction", "words",
]  # fmt: skip

Corruption = Literal["last_name", "first_name", "second_name"]
CORRUPTIONS: tuple[Corruption, ...] = ("last_name", "first_name", "second_name")
"""What a corrupted prompt changes: the last name, or the first name's first or second occurrence.
"""

SENTENCE = "Her name was {first} {last}. Tomorrow at lunch time {again}"
FIRST, LAST, END = 4, 5, 11
"""Positions of the first name, the last name, and the first name again (the last token)."""
LENGTH = 12
"""Tokens of a prompt, the opening token included."""
PAIRS = 50
"""Pairs of people whose names are put into the sentence."""


@dataclass(frozen=True)
class Names:
    """The person of the clean prompt, and the names that corruptions put in."""

    first: str
    last: str
    other_first: str
    other_last: str

    @property
    def swapped(self) -> Names:
        """These names with the two people exchanged."""
        return Names(self.other_first, self.other_last, self.first, self.last)


DOCUMENT = Names("Alex", "Hart", "Sarah", "Carroll")


@dataclass(frozen=True, eq=False)
class Prompts:
    """n clean prompts and their three corruptions as tokens, each long [n pos].

    `correct`, long [n], is the last name that completes the clean prompt; `incorrect`, long [n],
    is the one that the last-name corruption puts in its place.
    """

    clean: Tensor
    last_name: Tensor
    first_name: Tensor
    second_name: Tensor
    correct: Tensor
    incorrect: Tensor

    def __len__(self) -> int:
        return len(self.clean)

    @property
    def answers(self) -> Tensor:
        """The correct and the incorrect last name: long [n 2]."""
        return torch.stack([self.correct, self.incorrect], 1)

    def tokens(self, corruption: Corruption | None = None) -> Tensor:
        """The prompts with one corruption, or the clean ones: long [n pos]."""
        found: Tensor = getattr(self, corruption or "clean")
        return found


def prompts(tokenizer: Tokenizer, names: Sequence[Names]) -> Prompts:
    """The document's sentence about each of `names`, clean and with each of three corruptions.

    Raises BadInput if there are no names, if a name is not one token, or if the names do not stand
    at the positions that this module states.
    """
    if not names:
        raise BadInput("no names were given: a set of prompts needs at least one")
    filled = {
        "clean": [(n.first, n.last, n.first) for n in names],
        "last_name": [(n.first, n.other_last, n.first) for n in names],
        "first_name": [(n.other_first, n.last, n.first) for n in names],
        "second_name": [(n.first, n.last, n.other_first) for n in names],
    }
    made = {kind: _encode(tokenizer, words) for kind, words in filled.items()}
    correct, incorrect = (
        torch.tensor([tokenizer.token(f" {name}") for name in which])
        for which in ([n.last for n in names], [n.other_last for n in names])
    )
    return check(Prompts(**made, correct=correct, incorrect=incorrect))


def _encode(tokenizer: Tokenizer, words: Sequence[tuple[str, str, str]]) -> Tensor:
    rows = []
    for first, last, again in words:
        text = SENTENCE.format(first=first, last=last, again=again)
        rows.append(tokenizer.encode(text, bos=True))
        if len(rows[-1]) != LENGTH:
            raise BadInput(
                f"{text!r} is {len(rows[-1])} tokens, not {LENGTH}: "
                f"{tokenizer.strings(rows[-1])}; each word and the full stop must be one token"
            )
    return torch.tensor(rows)


def check(made: Prompts) -> Prompts:
    """`made`, once it is certain that each corruption changes its own position and no other.

    Raises BadInput naming the corruption and the positions that differ.  Without the opening
    token, for instance, every word stands one position further left.
    """
    _only(made, "last_name", (LAST,))
    _only(made, "first_name", (FIRST,))
    _only(made, "second_name", (END,))
    there = made.clean[:, LAST].equal(made.correct) and made.last_name[:, LAST].equal(
        made.incorrect
    )
    again = made.clean[:, FIRST].equal(made.clean[:, END])
    if made.clean.shape[1] != LENGTH or not there or not again:
        raise BadInput(
            f"first name, last name and first name must stand at {FIRST}, {LAST} and {END} of "
            f"{LENGTH} tokens, the opening token included"
        )
    return made


def _only(made: Prompts, kind: Corruption, expected: tuple[int, ...]) -> None:
    changed = made.tokens(kind)
    if changed.shape != made.clean.shape:
        raise BadInput(
            f"the {kind} corruption has shape {[*changed.shape]}, not that of the clean prompts"
        )
    differs = (changed != made.clean).any(0).nonzero()[:, 0].tolist()
    if differs != list(expected):
        raise BadInput(f"the {kind} corruption differs at {differs}, not at {list(expected)} alone")


def document_prompts(tokenizer: Tokenizer) -> Prompts:
    """The document's own prompt, with its corruptions: n = 1."""
    return prompts(tokenizer, [DOCUMENT])


# ------------------------------------------------------------------------------------- name pairs
def name_pairs(tokenizer: Tokenizer, n: int = PAIRS, seed: int = 0) -> tuple[Names, ...]:
    """n random pairs of people with four different names, each of them a single token.

    A seed and a tokenizer fix the result.  Raises BadInput for n below 1, or if fewer than ten
    first or last names are single tokens.
    """
    if n < 1:
        raise BadInput(f"cannot draw {n} pairs of names: ask for at least one")
    firsts, lasts = (single(tokenizer, names) for names in (FIRST_NAMES, LAST_NAMES))
    rng = np.random.default_rng(seed)
    drawn = [(rng.permutation(firsts)[:2], rng.permutation(lasts)[:2]) for _ in range(n)]
    return tuple(Names(str(f), str(la), str(f2), str(la2)) for (f, f2), (la, la2) in drawn)


def single(tokenizer: Tokenizer, names: Sequence[str]) -> list[str]:
    """The `names` that are a single token after a space.  BadInput if fewer than ten are."""
    found = [name for name in names if len(_tokens(tokenizer, name)) == 1]
    if len(found) < 10:
        raise BadInput(f"only {found} of {len(names)} names are one token in this tokenizer")
    return found


def _tokens(tokenizer: Tokenizer, name: str) -> list[int]:
    try:
        return tokenizer.encode(f" {name}")
    except BadInput:  # a vocabulary of whole words may lack it
        return []


# ------------------------------------------------------------------------------------- two people
@dataclass(frozen=True, eq=False)
class TwoPeople:
    """Prompts that name two people and ask for one of them.

    `tokens` is long [n pos]; `answers`, long [n 2], holds the last name asked for and the other
    one.  Each pair of people is there twice, once for each person asked for, so a model that copies
    a last name without looking at first names has a mean logit difference of zero.
    """

    tokens: Tensor
    answers: Tensor


INTRODUCTION = "His name was {other_first} {other_last}. "


def two_people(tokenizer: Tokenizer, names: Sequence[Names]) -> TwoPeople:
    """Two prompts for each pair of people: both are introduced, then one is asked for.

    "His name was Sarah Carroll. Her name was Alex Hart. Tomorrow at lunch time Alex", and the same
    text ending in "Sarah".  Raises BadInput if the prompts differ in length.
    """
    rows, answers = [], []
    for n in names:
        for again, pair in (
            (n.first, (n.last, n.other_last)),
            (n.other_first, (n.other_last, n.last)),
        ):
            text = (INTRODUCTION + SENTENCE).format(again=again, **vars(n))
            rows.append(tokenizer.encode(text, bos=True))
            answers.append([tokenizer.token(f" {name}") for name in pair])
    if any(len(a) != len(b) for a, b in pairwise(rows)):
        raise BadInput("prompts about two people differ in length in this tokenizer")
    return TwoPeople(torch.tensor(rows), torch.tensor(answers))


def without_introduction(tokenizer: Tokenizer, names: Sequence[Names]) -> Tensor:
    """The second sentence alone, in which no last name is given: long [n pos]."""
    text = SENTENCE.split(". ")[1]
    return torch.tensor([tokenizer.encode(text.format(again=n.first), bos=True) for n in names])


# ------------------------------------------------------------------------------------- English
COMMON_WORDS = (
    "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world",
    "school", "state", "family", "student", "group", "country", "problem", "hand", "part",
    "place", "case", "week", "company", "system", "program", "question", "work", "government",
    "number", "night", "point", "home", "water", "room", "mother", "area", "money", "story",
    "fact", "month", "lot", "right", "study", "book", "eye", "job", "word", "business",
    "issue", "side", "kind", "head", "house", "service", "friend", "father", "power", "hour",
    "game", "line", "end", "member", "law", "car", "city", "community", "name", "president",
    "team", "minute", "idea", "body", "information", "back", "parent", "face", "other",
    "level", "town", "office", "door", "health", "person", "art", "war", "history", "party",
    "result", "change", "morning", "reason", "research", "girl", "guy", "moment", "air", "teacher",
    "force", "education",
)  # fmt: skip
"""A hundred common nouns of English."""

OPEN_AND_CLOSED = (
    ("We met her brother (a doctor from Paris", "We met her brother, a doctor from Paris"),
    ("The old bridge (built in stone", "The old bridge, built in stone"),
    ("He sold two horses (both of them black", "He sold two horses, both of them black"),
    ("The last train (the one at midnight", "The last train, the one at midnight"),
    ("My neighbour (who plays the violin", "My neighbour, who plays the violin"),
    ("They grow three crops (mostly wheat", "They grow three crops, mostly wheat"),
    ("The second chapter (on the weather", "The second chapter, on the weather"),
    ("A small lake (not far from here", "A small lake, not far from here"),
    ("She keeps bees (in the garden", "She keeps bees (she does) in the garden"),
    ("The meeting (held on Monday", "The meeting (the first) held on Monday"),
)
"""Beginnings of sentences with a bracket still open, and with none open."""
