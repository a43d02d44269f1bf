"""Six ways to exchange names, one for each combination of token signal and position signal.

S-inhibition heads can say which token was repeated, or at which position it stood first. Exchanging
names changes one of these signals, or both. The document's section "Positional vs token
information being moved" has a table of them: in rows the token signal is the same, random or
inverted, in columns the position signal is the same or inverted.
"""

from __future__ import annotations

from collections.abc import Mapping

from replications.systems.ioi.data.prompts import Prompts, flip
from replications.systems.ioi.data.words import NAMES

RULES: Mapping[tuple[int, int], str] = {
    (0, 0): "ABB->ABB, BAB->BAB",
    (1, 0): "ABB->CDD, BAB->DCD",
    (2, 0): "ABB->BAA, BAB->ABA",
    (0, 1): "ABB->BAB, BAB->ABB",
    (1, 1): "ABB->DCD, BAB->CDD",
    (2, 1): "ABB->ABA, BAB->BAA",
}
"""Cell of the table → rule of `flip`."""
PRINTED: Mapping[tuple[int, int], str] = {**RULES, (1, 1): RULES[1, 0]}
"""`RULES` with the mistake of the document's own example.

The sentence printed for a random token and an inverted position does not invert the position.
"""
TOKEN = ("same", "random", "inverted")
"""The token signal of each row."""
POSITION = ("same", "inverted")
"""The position signal of each column."""


def share_realised(prompts: Prompts, rules: Mapping[tuple[int, int], str], seed: int) -> float:
    """Share of prompts, over all cells of `rules`, in which both signals are those of the cell.

    The signals are read off the finished sentences. A sentence counts only if nothing but its names
    has changed.
    """
    right = []
    for (token, position), rule in rules.items():
        flipped = flip(prompts, rule, seed)
        for before, after in zip(prompts.texts(), flipped.texts(), strict=True):
            right.append(
                signals_of(before, after) == (TOKEN[token], POSITION[position])
                and _without_names(before) == _without_names(after)
            )
    return sum(right) / len(right)


def signals_of(before: str, after: str) -> tuple[str, str]:
    """Token and position signal of the sentence `after`, relative to `before`: words of the table.

    The token signal is the repeated name, the position signal the place where it stands first.
    """
    repeated, place = _repeated(before)
    found, found_place = _repeated(after)
    others = [name for name in _names(before) if name != repeated]
    token = "same" if found == repeated else "inverted" if found in others else "random"
    return token, "same" if found_place == place else "inverted"


def _names(sentence: str) -> list[str]:
    words = sentence.replace(",", " ").replace(".", " ").split()
    return [word for word in words if word in NAMES]


def _repeated(sentence: str) -> tuple[str, int]:
    """The repeated name, and its first place among the names of the sentence."""
    names = _names(sentence)
    repeated = next(name for name in names if names.count(name) > 1)
    return repeated, names.index(repeated)


def _without_names(sentence: str) -> list[str]:
    return [word for word in sentence.replace(",", " ,").split() if word not in NAMES]
