"""Prompts and answers in words: text to tokens, and outputs to their names.

Every subject that is a model has a `prompting`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models.tokenizers import Tokenizer


class Prompting(Protocol):
    """Prompts and answers of one model."""

    @property
    def reads_at(self) -> int:
        """The position whose logits are read by default; a negative one counts from the end."""

    @property
    def contrast(self) -> tuple[int, int] | None:
        """The two outputs whose logit difference is the metric (first minus second), if fixed."""

    def tokens(self, text: str) -> Tensor:
        """The prompt as tokens, long [1 pos]. Raises BadInput for text that is no prompt."""

    def labels(self, tokens: Tensor) -> list[str]:
        """The text at each position of tokens [1 pos]."""

    def output(self, word: str) -> int:
        """The output for an answer. Raises BadInput if there is none, or several."""

    def name(self, output: int) -> str:
        """The answer that belongs to an output."""


@dataclass(frozen=True)
class Words:
    """Prompting of a language model, by its tokenizer.

    `bos` says whether a prompt begins with the token that opens a text; a prompt that has it
    already is left as it is. `vocabulary` says where a small vocabulary is listed; errors name it.
    """

    tokenizer: Tokenizer
    bos: bool
    vocabulary: str = ""

    @property
    def reads_at(self) -> int:
        return -1

    @property
    def contrast(self) -> None:
        return None

    def tokens(self, text: str) -> Tensor:
        found = self._encode(text, bos=self.bos)
        if len(found) == self.bos:
            raise BadInput("the prompt is empty: give it at least one word")
        if self.bos and found[:2] == [self.tokenizer.bos] * 2:
            found = found[1:]  # the prompt has it already
        return torch.tensor([found])

    def labels(self, tokens: Tensor) -> list[str]:
        return self.tokenizer.labels(tokens[0].tolist())

    def output(self, word: str) -> int:
        found = self._encode(word, bos=False)
        if len(found) != 1:
            raise BadInput(
                f"the answer {word!r} is {len(found)} tokens, {self.tokenizer.labels(found)}, "
                "and must be one; most words are one only with the space before them, as ' Mary'"
            )
        return found[0]

    def name(self, output: int) -> str:
        return self.tokenizer.labels([output])[0]

    def _encode(self, text: str, *, bos: bool) -> list[int]:
        try:
            return self.tokenizer.encode(text, bos=bos)
        except BadInput as exc:
            if not self.vocabulary:
                raise
            raise BadInput(f"{exc}; the words of this model are in {self.vocabulary}") from exc
