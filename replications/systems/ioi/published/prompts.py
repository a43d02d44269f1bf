"""The prompts of the notebooks: eight in four pairs, one pair, and the words they are read at.

>>> [pair.length for pair in (EIGHT, MAIN)]
[14, 16]
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models import Tokenizer

NAMES = (("Mary", "John"), ("Tom", "James"), ("Dan", "Sid"), ("Martin", "Amy"))
"""The answer to the first prompt of each pair, and the answer to the second."""
TEXTS = (
    "When John and Mary went to the shops, {} gave the bag to",
    "When Tom and James went to the park, {} gave the ball to",
    "When Dan and Sid went to the shops, {} gave an apple to",
    "After Martin and Amy went to the park, {} gave a drink to",
)


@dataclass(frozen=True)
class Texts:
    """Clean prompts with their answers, and what makes a prompt corrupted.

    `answers` are the right name and the wrong one. `corrupted` are prompts of the same length, of
    which the right name is the other one. `length` counts tokens, without the one before a text.
    """

    clean: tuple[str, ...]
    corrupted: tuple[str, ...]
    answers: tuple[tuple[str, str], ...]
    length: int

    @property
    def exchanged(self) -> Texts:
        """Patches go from the corrupted prompts into the clean ones."""
        return replace(self, clean=self.corrupted, corrupted=self.clean)


def _eight() -> Texts:
    clean: list[str] = []
    corrupted: list[str] = []
    answers: list[tuple[str, str]] = []
    for text, (first, second) in zip(TEXTS, NAMES, strict=True):
        both = (text.format(second), text.format(first))
        clean += both
        corrupted += both[::-1]
        answers += [(first, second), (second, first)]
    return Texts(tuple(clean), tuple(corrupted), tuple(answers), 14)


EIGHT = _eight()
"""Both prompts of each pair are in it, each corrupted by the other. So patching the other way, and
scaled the other way, gives the same numbers: it is no control on these prompts."""
FIRST = Texts(EIGHT.clean[:1], EIGHT.corrupted[:1], EIGHT.answers[:1], 14)
"""The first prompt alone."""
MAIN = Texts(
    ("After John and Mary went to the store, Mary gave a bottle of milk to",),
    ("After John and Mary went to the store, John gave a bottle of milk to",),
    (("John", "Mary"),),
    16,
)


@dataclass(frozen=True, eq=False)
class Pair:
    """Tokens of clean and corrupted prompts, long [n pos], and of their answers, long [n 2]."""

    clean: Tensor
    corrupted: Tensor
    answers: Tensor
    bos: bool

    @property
    def ends(self) -> Tensor:
        """The last position of each prompt: long [n]."""
        return torch.full((len(self.clean),), self.clean.shape[1] - 1)


def encode(texts: Texts, tokenizer: Tokenizer, *, bos: bool) -> Pair:
    """The prompts in tokens.

    Raises BadInput if one has another number of tokens than in GPT-2's tokenizer, so that its
    positions would not be the published ones, or if an answer is not one token.
    """
    names = [[tokenizer.token(f" {name}") for name in both] for both in texts.answers]
    clean, corrupted = (
        torch.tensor([_tokens(text, texts.length, tokenizer, bos) for text in some])
        for some in (texts.clean, texts.corrupted)
    )
    return Pair(clean, corrupted, torch.tensor(names), bos)


def _tokens(text: str, length: int, tokenizer: Tokenizer, bos: bool) -> list[int]:
    found = tokenizer.encode(text, bos=bos)
    if len(found) != length + bos:
        raise BadInput(
            f"{text!r} is {len(found)} tokens, {tokenizer.strings(found)}, and in GPT-2's "
            f"tokenizer {length + bos}; the published positions are those of GPT-2's tokens"
        )
    return found
