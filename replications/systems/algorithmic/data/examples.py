"""What the data of all problems share: labelled sequences, and how symbols become tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from replications.errors import BadInput


@dataclass(frozen=True, eq=False)
class Examples:
    """n sequences, with the right outputs at the positions that have one."""

    tokens: Tensor
    """long [n pos]"""
    labels: Tensor
    """long [n answer]"""
    answered: tuple[int, ...]
    """The positions whose logits are read, one for each answer."""

    def __len__(self) -> int:
        return len(self.tokens)

    def read_at(self, *positions: int) -> Examples:
        """The same sequences and labels, with the logits read at other positions."""
        return replace(self, answered=positions)

    def labelled(self, labels: Tensor) -> Examples:
        """The same sequences with other labels, long [n answer]."""
        return replace(self, labels=labels)


def seeded(seed: int) -> torch.Generator:
    """A generator on the CPU. Raises BadInput for a negative seed."""
    if seed < 0:
        raise BadInput(f"seed must be at least 0, not {seed}")
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True)
class Symbols:
    """The vocabulary of a problem, and how a sequence is written; a `Prompting`.

    `inputs` are the symbols that a sequence consists of, in the order of their tokens. `opening`
    and `closing` are the tokens put before and after it, if any, `markers` their names. The
    output of number i is called `outputs[i]`. A sequence has `shortest` to `longest` symbols,
    written with spaces between them unless all symbols are single letters.
    """

    inputs: tuple[str, ...]
    markers: tuple[str, ...]
    outputs: tuple[str, ...]
    opening: int | None
    closing: int | None
    shortest: int
    longest: int
    contrast: tuple[int, int] | None = None

    @property
    def reads_at(self) -> int:
        """Logits are read at the last token."""
        return -1

    def tokens(self, text: str) -> Tensor:
        """The tokens of one sequence: long [1 pos].

        Raises BadInput for a sequence of the wrong length or a symbol outside the vocabulary.
        """
        spaced = any(len(symbol) > 1 for symbol in self.inputs) or " " in text.strip()
        return self.encode(text.split() if spaced else list(text.strip()))

    def encode(self, symbols: Sequence[object]) -> Tensor:
        """The tokens of a sequence of symbols or of their names: long [1 pos]; raises as above."""
        words = [str(symbol) for symbol in symbols]
        if not self.shortest <= len(words) <= self.longest:
            known = {str(self.shortest), str(self.longest)}
            wanted = " to ".join(sorted(known, key=int))
            raise BadInput(f"the sequence has {len(words)} symbols; this model reads {wanted}")
        for place, word in enumerate(words):
            if word not in self.inputs:
                raise BadInput(
                    f"symbol {place} of the sequence is {word!r}, which is not in the vocabulary: "
                    f"symbols are {self.inputs[0]} to {self.inputs[-1]}"
                )
        opening, closing = ([] if t is None else [t] for t in (self.opening, self.closing))
        return torch.tensor([[*opening, *map(self.inputs.index, words), *closing]])

    def labels(self, tokens: Tensor) -> list[str]:
        """What stands at each position of tokens [1 pos]."""
        known = (*self.inputs, *self.markers)
        return [known[token] for token in tokens[0].tolist()]

    def output(self, word: str) -> int:
        """The index of the output called `word`. Raises BadInput if there is none."""
        if word not in self.outputs:
            raise BadInput(f"no output is called {word!r}; there are: {', '.join(self.outputs)}")
        return self.outputs.index(word)

    def name(self, output: int) -> str:
        """What an output is called."""
        return self.outputs[output]
