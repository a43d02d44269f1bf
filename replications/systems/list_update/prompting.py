"""How a list-update model is asked: a list, an index, a new element, and answers so far."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.systems.list_update.data import Task

NEWLINE = "NL"


@dataclass(frozen=True)
class ListPrompting:
    """See `replications.models.prompting.Prompting`.

    A prompt is the list, NL, the index, the new element, NL, and answers as far as they are given:
    "14 23 48 NL 1 26 NL", where a line break may stand for NL. BOS is put before it.
    """

    task: Task

    @property
    def reads_at(self) -> int:
        return -1

    @property
    def contrast(self) -> None:
        return None

    def tokens(self, text: str) -> Tensor:
        words, n = text.replace("\n", f" {NEWLINE} ").split(), self.task.length
        ends = [place for place, word in enumerate(words) if word == NEWLINE]
        if ends != [n, n + 3] or len(words) > 2 * n + 4:
            raise BadInput(
                f"{text!r} is not a prompt of this task: give {n} numbers, {NEWLINE}, an index, "
                f"a new element, {NEWLINE}, and at most {n} answers, as in {self._example()!r}"
            )
        found = [self._token(word) for word in words]
        if found[n + 1] >= n:
            raise BadInput(f"index {found[n + 1]} is out of range: indices are 0 to {n - 1}")
        return torch.tensor([[self.task.bos, *found]])

    def labels(self, tokens: Tensor) -> list[str]:
        names = {self.task.bos: "BOS", self.task.newline: NEWLINE}
        return [names.get(token, str(token)) for token in tokens[0].tolist()]

    def output(self, word: str) -> int:
        found = self._token(word.strip())
        if found == self.task.newline:
            raise BadInput(f"the model does not answer {NEWLINE}, but numbers")
        return found

    def name(self, output: int) -> str:
        return str(output)

    def _token(self, word: str) -> int:
        if word == NEWLINE:
            return self.task.newline
        if not re.fullmatch(r"[0-9]+", word) or int(word) >= self.task.numbers:
            raise BadInput(
                f"{word!r} is not in the vocabulary: numbers are 0 to {self.task.numbers - 1}, "
                f"and {NEWLINE} ends a line"
            )
        return int(word)

    def _example(self) -> str:
        numbers = " ".join(str(14 + i) for i in range(self.task.length))
        return f"{numbers} {NEWLINE} 1 26 {NEWLINE}"
