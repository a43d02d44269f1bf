"""What S-inhibition heads say: which token was repeated, or which position.

Their outputs are replaced by those on prompts in which one or both of these signals are exchanged.
Rows: the token signal is the same, random, inverted. Columns: the position signal is the same,
inverted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from replications.systems.ioi import prompts as texts
from replications.systems.ioi.prompts import Prompts
from replications.systems.ioi.task import Head, Task
from replications.systems.ioi.words import NAMES

RULES: Mapping[tuple[int, int], str] = {
    (0, 0): "ABB->ABB, BAB->BAB",
    (1, 0): "ABB->CDD, BAB->DCD",
    (2, 0): "ABB->BAA, BAB->ABA",
    (0, 1): "ABB->BAB, BAB->ABB",
    (1, 1): "ABB->DCD, BAB->CDD",
    (2, 1): "ABB->ABA, BAB->BAA",
}
TOKEN = ("same", "random", "inverted")
POSITION = ("same", "inverted")


@dataclass(frozen=True)
class Table:
    """Mean logit differences [3 2], and the additive fit to them."""

    cells: Tensor

    @property
    def fit(self) -> Tensor:
        """The sum of row and column effects that fits best: [3 2]."""
        return self.cells.mean(1, keepdim=True) + self.cells.mean(0) - self.cells.mean()

    @property
    def largest_residual(self) -> float:
        return (self.cells - self.fit).abs().max().item()

    @property
    def range(self) -> float:
        return (self.cells.max() - self.cells.min()).item()

    @property
    def position_step(self) -> float:
        """Mean fall from same to inverted position: the full swing."""
        return (self.cells[:, 0] - self.cells[:, 1]).mean().item()

    @property
    def token_steps(self) -> list[float]:
        """Mean falls from same to random token, and from random to inverted."""
        means = self.cells.mean(1)
        return [(means[0] - means[1]).item(), (means[1] - means[2]).item()]

    @property
    def token_swing(self) -> float:
        """Mean fall from same to inverted token."""
        return sum(self.token_steps)

    @property
    def permuted(self) -> Table:
        """The same numbers in other cells, so that no sum of effects fits."""
        a, b, c, d, e, f = self.cells.flatten().sort().values.tolist()
        return Table(torch.tensor([[f, a], [b, e], [d, c]], dtype=torch.float64))


class Signals:
    """Tables for sets of heads, each made once."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._made: dict[tuple[Head, ...], Table] = {}

    def of(self, heads: Sequence[Head]) -> Table:
        """The table with the outputs of these heads, together and at all positions, replaced."""
        key = tuple(heads)
        if key not in self._made:
            cells = torch.zeros(3, 2, dtype=torch.float64)
            for cell, rule in RULES.items():
                edits = self._task.outputs_on(rule, key)
                cells[cell] = self._task.difference(edits).mean()
            self._made[key] = Table(cells)
        return self._made[key]

    @cached_property
    def clean(self) -> float:
        return self._task.difference().mean().item()

    def identity(self, heads: Sequence[Head]) -> float:
        """How far the cell of the same data is from the clean logit difference."""
        return abs(self.of(heads).cells[0, 0].item() - self.clean)


# ---------------------------------------------------------------------------------- the data sets
def share_realised(prompts: Prompts, rules: Mapping[tuple[int, int], str], seed: int) -> float:
    """Share of prompts, over all data sets, in which both signals are what the table says.

    Read off the finished sentences: the token signal is the name said twice, the position signal
    the place where it was said first. Everything but names must be the same as before.
    """
    right = []
    for (token, position), rule in rules.items():
        flipped = texts.flip(prompts, rule, seed)
        for before, after in zip(prompts.texts(), flipped.texts(), strict=True):
            right.append(
                signals_of(before, after) == (TOKEN[token], POSITION[position])
                and _without_names(before) == _without_names(after)
            )
    return sum(right) / len(right)


def signals_of(before: str, after: str) -> tuple[str, str]:
    """The token and the position signal of a sentence, relative to the one it was made from."""
    repeated, place = _repeated(before)
    found, found_place = _repeated(after)
    others = [name for name in _names(before) if name != repeated]
    token = "same" if found == repeated else "inverted" if found in others else "random"
    return token, "same" if found_place == place else "inverted"


def _names(sentence: str) -> list[str]:
    words = sentence.replace(",", " ").replace(".", " ").split()
    return [word for word in words if word in NAMES]


def _repeated(sentence: str) -> tuple[str, int]:
    """The name said twice, and which name of the sentence it is the first time."""
    names = _names(sentence)
    twice = next(name for name in names if names.count(name) > 1)
    return twice, names.index(twice)


def _without_names(sentence: str) -> list[str]:
    return [word for word in sentence.replace(",", " ,").split() if word not in NAMES]
