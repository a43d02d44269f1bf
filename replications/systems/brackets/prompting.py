"""How a classifier is asked about a string, and what its tokens and answers mean."""

from __future__ import annotations

from torch import Tensor

from replications.errors import BadInput
from replications.systems.brackets.data import CLOSE, END, OPEN, PAD, START, tokenize
from replications.systems.brackets.model import BALANCED, UNBALANCED

SYMBOLS = {START: "[start]", PAD: "[pad]", END: "[end]", OPEN: "(", CLOSE: ")"}
ANSWERS = {UNBALANCED: "unbalanced", BALANCED: "balanced"}


class BracketPrompting:
    """How a classifier is asked about a string; see `replications.models.prompting.Prompting`."""

    reads_at = 0
    contrast = (UNBALANCED, BALANCED)

    def tokens(self, text: str) -> Tensor:
        """Tokens of one bracket string: long [1 pos]."""
        return tokenize(text)

    def labels(self, tokens: Tensor) -> list[str]:
        """What stands at each position of tokens [1 pos]."""
        return [SYMBOLS[token] for token in tokens[0].tolist()]

    def output(self, word: str) -> int:
        """The index of the output called `word`. Raises BadInput if there is none."""
        for output, name in ANSWERS.items():
            if word == name:
                return output
        known = " or ".join(ANSWERS.values())
        raise BadInput(f"the classifier does not answer {word!r}, but {known}")

    def name(self, output: int) -> str:
        """What an output means."""
        return ANSWERS[output]
