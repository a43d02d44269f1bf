"""What a model is measured on: the document's 25 prompts, or any number of our own.

A sample is a set of prompts that can be put into a model's tokens, and whose names can be
exchanged. Everything that depends on where the prompts come from is here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models.tokenizers import Tokenizer
from replications.systems.ioi.data import document
from replications.systems.ioi.data.document import Sentence
from replications.systems.ioi.data.prompts import (
    Batch,
    Prompts,
    encode,
    flip,
    generate,
    name_tokens,
)

SEED = 1_000_000
"""Seed of our own prompts. Training seeds are small numbers."""


class Sample(ABC):
    """n prompts. The indirect object (IO) and the subject (S) each fill one of the first slots."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def texts(self) -> list[str]:
        """The prompts, without the answers."""

    @property
    @abstractmethod
    def io_slot(self) -> Tensor:
        """Slot of the indirect object, 0 or 1: long [n]."""

    @abstractmethod
    def encode(self, tokenizer: Tokenizer, *, bos: bool) -> Batch:
        """The prompts in the tokens of a model, after its opening token if `bos`.

        Raises BadInput for a name that is not one token.
        """

    @abstractmethod
    def io_and_s(self, tokenizer: Tokenizer) -> Tensor:
        """Tokens of IO and S: long [n 2]."""

    @abstractmethod
    def flipped(self, rule: str, *, again: int = 0) -> Sample:
        """The prompts with their names exchanged by a rule of `flip`; each `again` draws anew."""


@dataclass(frozen=True, eq=False)
class Own(Sample):
    """Prompts of our own templates; `draw` makes them."""

    prompts: Prompts
    seed: int

    def __len__(self) -> int:
        return len(self.prompts)

    def texts(self) -> list[str]:
        return self.prompts.texts()

    @property
    def io_slot(self) -> Tensor:
        return self.prompts.io_slot

    def encode(self, tokenizer: Tokenizer, *, bos: bool) -> Batch:
        return encode(self.prompts, tokenizer, bos=bos)

    def io_and_s(self, tokenizer: Tokenizer) -> Tensor:
        p, names = self.prompts, name_tokens(tokenizer)
        return torch.stack([names[p.names_in(slot)] for slot in (p.io_slot, p.s_slot)], 1)

    def flipped(self, rule: str, *, again: int = 0) -> Own:
        return Own(flip(self.prompts, rule, self.seed + 1 + again), self.seed)


def draw(n: int, seed: int = SEED) -> Own:
    """n prompts of our own. Raises BadInput for n < 1 or a negative seed."""
    return Own(generate(n, seed), seed)


@dataclass(frozen=True, eq=False)
class Document(Sample):
    """The sentences of the document, 25 unless others are given.

    Mean ablation groups them by template: those of one template are aligned. As in the document, a
    model may be given no opening token.
    """

    sentences: Sequence[Sentence] = document.sentences()

    def __len__(self) -> int:
        return len(self.sentences)

    def texts(self) -> list[str]:
        return [sentence.prompt for sentence in self.sentences]

    @property
    def io_slot(self) -> Tensor:
        return torch.tensor([s.pattern.index("A") for s in self.sentences])

    def encode(self, tokenizer: Tokenizer, *, bos: bool) -> Batch:
        rows = [tokenizer.encode(text, bos=bos) for text in self.texts()]
        length = max(map(len, rows))
        return Batch(
            # A causal model does not see what follows the end of the prompt.
            tokens=torch.tensor([row + [0] * (length - len(row)) for row in rows]),
            slots=torch.tensor([
                _slots(sentence, row, tokenizer, bos)
                for sentence, row in zip(self.sentences, rows, strict=True)
            ]),
            end=torch.tensor([len(row) - 1 for row in rows]),
            template=torch.tensor([s.template for s in self.sentences]),
        )  # fmt: skip

    def io_and_s(self, tokenizer: Tokenizer) -> Tensor:
        names = [(s.io, s.s) for s in self.sentences]
        return torch.tensor([[tokenizer.token(f" {name}") for name in both] for both in names])

    def flipped(self, rule: str, *, again: int = 0) -> Document:
        new = document.flipped(self.sentences, rule, document.SEED + again)
        return Document(document.answers_of(new, self.sentences))


def _slots(sentence: Sentence, row: Sequence[int], tokenizer: Tokenizer, bos: bool) -> list[int]:
    """Positions of the three names. BadInput if the tokens do not have each name as one token."""
    words = sentence.prompt.split(" ")
    found = [len(tokenizer.encode(" ".join(words[:slot]), bos=bos)) for slot in sentence.slots]
    for slot, position in zip(sentence.slots, found, strict=True):
        if row[position] != tokenizer.token(f" {words[slot]}"):
            raise BadInput(
                f"{words[slot]!r} is not one token of its own in {sentence.prompt!r}: "
                "this tokenizer does not fit the document's prompts"
            )
    return found
