"""How a bracket classifier is asked: a string of brackets, two answers, read at the start."""

from __future__ import annotations

from torch import Tensor

from replications.errors import BadInput
from replications.systems.brackets.data import CLOSE, END, OPEN, PAD, START, tokenize
from replications.systems.brackets.model import BALANCED, UNBALANCED

SYMBOLS = {START: "[start]", PAD: "[pad]", END: "[end]", OPEN: "(", CLOSE: ")"}
ANSWERS = {UNBALANCED: "unbalanced", BALANCED: "balanced"}


class BracketPrompting:
    """See `replications.models.prompting.Prompting`."""

    reads_at = 0
    contrast = (UNBALANCED, BALANCED)

    def tokens(self, text: str) -> Tensor:
        return tokenize(text)

    def labels(self, tokens: Tensor) -> list[str]:
        return [SYMBOLS[token] for token in tokens[0].tolist()]

    def output(self, word: str) -> int:
        for output, name in ANSWERS.items():
            if word == name:
                return output
        known = " or ".join(ANSWERS.values())
        raise BadInput(f"the classifier does not answer {word!r}, but {known}")

    def name(self, output: int) -> str:
        return ANSWERS[output]
