"""Prompts of the name-recall task: a full name is given, the first name comes again.

The document's prompt is "Her name was Alex Hart. Tomorrow at lunch time Alex", which asks for
" Hart".  Three corruptions change one word each and nothing else: the last name, the first first
name, the second first name.  Here the same sentence is also filled with other names.

Everything here is a pure function of a tokenizer and a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models.tokenizers import Tokenizer

SENTENCE = "Her name was {first} {last}. Tomorrow at lunch time {again}"
FIRST, LAST, END = 4, 5, 11
"""Positions of the first name, the last name, and the first name again, the last token."""
LENGTH = 12
"""Tokens of a prompt, the one that opens the text included."""
PAIRS = 50

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


@dataclass(frozen=True)
class Names:
    """Who is spoken of, and the names that a corruption puts in: "Alex Hart", "Sarah Carroll"."""

    first: str
    last: str
    other_first: str
    other_last: str

    @property
    def swapped(self) -> Names:
        """The same with the two people exchanged."""
        return Names(self.other_first, self.other_last, self.first, self.last)


DOCUMENT = Names("Alex", "Hart", "Sarah", "Carroll")


@dataclass(frozen=True, eq=False)
class Prompts:
    """n prompts and their corruptions, each long [n pos]; `correct`, `incorrect` long [n].

    `correct` is the last name that the clean prompt asks for, `incorrect` the one that the
    last-name corruption puts in its place.
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
        """Correct and incorrect last name: long [n 2]."""
        return torch.stack([self.correct, self.incorrect], 1)


def prompts(tokenizer: Tokenizer, names: Sequence[Names]) -> Prompts:
    """The document's sentence with each of `names`, and its three corruptions.

    Raises BadInput unless every name is one token and every token stands where the module says.
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
    """`made`, if corruptions change what they should and nothing else.

    Raises BadInput naming the corruption and the positions that differ: without the token that
    opens a text, for instance, everything stands one place further left.
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
            f"{LENGTH} tokens, the token that opens a text included"
        )
    return made


def _only(made: Prompts, kind: str, expected: tuple[int, ...]) -> None:
    changed = getattr(made, kind)
    if changed.shape != made.clean.shape:
        raise BadInput(f"the {kind} corruption has shape {[*changed.shape]}, not that of the clean")
    differs = (changed != made.clean).any(0).nonzero()[:, 0].tolist()
    if differs != list(expected):
        raise BadInput(f"the {kind} corruption differs at {differs}, not at {list(expected)} alone")


def document_prompts(tokenizer: Tokenizer) -> Prompts:
    """The document's own prompt and corruptions: one each."""
    return prompts(tokenizer, [DOCUMENT])


# ------------------------------------------------------------------------------------- name pairs
def name_pairs(tokenizer: Tokenizer, n: int = PAIRS, seed: int = 0) -> tuple[Names, ...]:
    """n draws of two people, all four names different, from the names that are one token.

    The same for the same seed and tokenizer.  Raises BadInput if too few names are one token.
    """
    if n < 1:
        raise BadInput(f"cannot draw {n} pairs of names: ask for at least one")
    firsts, lasts = (single(tokenizer, names) for names in (FIRST_NAMES, LAST_NAMES))
    rng = np.random.default_rng(seed)
    drawn = [(rng.permutation(firsts)[:2], rng.permutation(lasts)[:2]) for _ in range(n)]
    return tuple(Names(str(f), str(la), str(f2), str(la2)) for (f, f2), (la, la2) in drawn)


def single(tokenizer: Tokenizer, names: Sequence[str]) -> list[str]:
    """Those of `names` that are one token after a space.  BadInput if fewer than ten are."""
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
    """Prompts that name two people and ask for one: tokens long [n pos], answers long [n 2].

    Whoever copies a last name without looking at first names prefers neither answer: each pair
    of people is there twice, once asking for the first and once for the second.
    """

    tokens: Tensor
    answers: Tensor


INTRODUCTION = "His name was {other_first} {other_last}. "


def two_people(tokenizer: Tokenizer, names: Sequence[Names]) -> TwoPeople:
    """Two sentences that name two people, and a third that asks for one; then for the other.

    "His name was Sarah Carroll. Her name was Alex Hart. Tomorrow at lunch time Alex", then "Sarah".

    Raises BadInput if the prompts are not equally long.
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
        raise BadInput("prompts about two people are not equally long in this tokenizer")
    return TwoPeople(torch.tensor(rows), torch.tensor(answers))


def without_introduction(tokenizer: Tokenizer, names: Sequence[Names]) -> Tensor:
    """The second sentence alone, in which nobody's last name is given: long [n pos]."""
    text = SENTENCE.split(". ")[1]
    return torch.tensor([tokenizer.encode(text.format(again=n.first), bos=True) for n in names])
