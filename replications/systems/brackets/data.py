"""Inputs of the bracket task: tokeniser, elevations, failure classes, data sets, generator.

Everything here is a pure function of strings, token tensors or a random generator.

Tokens: ``[start]``=0, ``[pad]``=1, ``[end]``=2, ``(``=3, ``)``=4. A string of n brackets becomes
``[start]`` b1 … bn ``[end]`` and pads, so bracket number i sits at position i, counted from 1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from replications.errors import BadInput
from replications.systems.brackets._sampling import balanced_steps, unbalanced_steps

START, PAD, END, OPEN, CLOSE = 0, 1, 2, 3, 4
MAX_LENGTH = 40
CONTEXT = MAX_LENGTH + 2

BALANCED_SHARE = 0.46022
"""Share of balanced strings in the published data set of 100,000."""

_SYMBOLS = np.frombuffer(b"   ()", dtype=np.uint8)  # indexed by token; specials become spaces


# ---------------------------------------------------------------------------------- tokeniser
def tokenize(strings: str | Sequence[str], *, length: int | None = None) -> Tensor:
    """Token ids of one or more bracket strings: long [batch pos].

    Rows are padded on the right to the longest string, or to `length` tokens. Odd lengths are legal
    (a model can be asked about them), and so is the empty string, which is `[start][end]`.
    Raises BadInput for other characters, more than 40 brackets, an empty batch, anything that is
    not a string, or a `length` too small for the longest string.
    """
    batch = (strings,) if isinstance(strings, str) else tuple(strings)
    _check_strings(batch)
    sizes = np.array([len(s) for s in batch])
    width = int(sizes.max()) + 2 if length is None else length
    if width < sizes.max() + 2:
        raise BadInput(
            f"length={length} tokens is too small: the longest string needs {sizes.max() + 2} "
            "(its brackets, [start] and [end]); give a larger length or none"
        )
    codes = np.frombuffer("".join(batch).encode("ascii"), dtype=np.uint8)
    tokens = np.full((len(batch), width), PAD, dtype=np.int64)
    column = np.arange(width)
    tokens[(column >= 1) & (column <= sizes[:, None])] = np.where(codes == ord("("), OPEN, CLOSE)
    tokens[:, 0] = START
    tokens[np.arange(len(batch)), sizes + 1] = END
    return torch.from_numpy(tokens)


def decode(tokens: Tensor) -> list[str]:
    """The bracket strings of tokens [batch pos]; start, end and pads are dropped.

    Raises BadInput if the tensor is not two-dimensional or holds an unknown token id.
    """
    if tokens.ndim != 2:
        raise BadInput(f"tokens must have shape [batch pos], not {list(tokens.shape)}")
    ids = tokens.detach().cpu().numpy()
    unknown = (ids < START) | (ids > CLOSE)
    if unknown.any():
        row, pos = np.argwhere(unknown)[0]
        raise BadInput(
            f"unknown token id {ids[row, pos]} at row {row}, position {pos}; known ids are 0 to 4"
        )
    return _to_strings(ids)


def _to_strings(ids: NDArray[np.integer]) -> list[str]:
    text = _SYMBOLS[ids].tobytes().decode("ascii")
    width = ids.shape[1]
    return [text[i * width : (i + 1) * width].replace(" ", "") for i in range(len(ids))]


def _check_strings(batch: tuple[str, ...]) -> None:
    if not batch:
        raise BadInput("empty batch: give at least one bracket string")
    for row, item in enumerate(batch):
        if not isinstance(item, str):
            raise BadInput(f"item {row} is {type(item).__name__}, not a string of '(' and ')'")
        rest = item.replace("(", "").replace(")", "")
        if rest:
            raise BadInput(
                f"character {rest[0]!r} at position {item.index(rest[0])} of string {row} "
                f"({_short(item)}); only '(' and ')' are allowed"
            )
        if len(item) > MAX_LENGTH:
            raise BadInput(
                f"string {row} ({_short(item)}) has {len(item)} brackets; "
                f"the model reads at most {MAX_LENGTH}: shorten it"
            )


def _short(text: str) -> str:
    return repr(text) if len(text) <= 24 else repr(text[:20] + "…")


# --------------------------------------------------------------------------------- elevations
def suffix_counts(tokens: Tensor | str | Sequence[str]) -> tuple[Tensor, Tensor]:
    """(opens, closes) among the tokens from each position on: two long tensors [batch pos].

    At `[start]` these are the counts of the whole string; at `[end]` and pads they are 0.
    """
    tokens = _as_tokens(tokens)
    opens, closes = (tokens == OPEN).long(), (tokens == CLOSE).long()
    return opens.flip(-1).cumsum(-1).flip(-1), closes.flip(-1).cumsum(-1).flip(-1)


def prefix_counts(tokens: Tensor | str | Sequence[str]) -> tuple[Tensor, Tensor]:
    """(opens, closes) up to and including each position: two long tensors [batch pos].

    At `[start]` both are 0; at `[end]` and pads they are the counts of the whole string.
    """
    tokens = _as_tokens(tokens)
    return (tokens == OPEN).long().cumsum(-1), (tokens == CLOSE).long().cumsum(-1)


def suffix_elevation(tokens: Tensor | str | Sequence[str]) -> Tensor:
    """Closes minus opens of seq[i:] at each bracket position, 0 elsewhere: long [batch pos].

    Negative means that the suffix has more '(' than ')', so one of them is never closed.
    """
    tokens = _as_tokens(tokens)
    opens, closes = suffix_counts(tokens)
    return torch.where(tokens >= OPEN, closes - opens, 0)


class Failures(NamedTuple):
    """The two right-to-left failures, each bool [batch]; balanced means neither."""

    total: Tensor
    """The whole string has unequal numbers of '(' and ')'."""
    negative: Tensor
    """Some suffix has more '(' than ')'."""


def failures(tokens: Tensor | str | Sequence[str]) -> Failures:
    """Which of the two failures each string has, reading from the right."""
    elevation = suffix_elevation(tokens)
    # Position 1 is the first bracket, or [end] of the empty string, where the elevation is 0.
    return Failures(total=elevation[:, 1] != 0, negative=(elevation < 0).any(-1))


def is_balanced(tokens: Tensor | str | Sequence[str]) -> Tensor:
    """Whether each string is balanced, reading from the left: bool [batch]."""
    opens, closes = prefix_counts(tokens)
    height = opens - closes
    return (height[:, -1] == 0) & (height >= 0).all(-1)


def is_balanced_loop(string: str) -> bool:
    """Whether one string is balanced, by a running counter: independent of the tensor code."""
    height = 0
    for symbol in string:
        height += 1 if symbol == "(" else -1
        if height < 0:
            return False
    return height == 0


def _as_tokens(tokens: Tensor | str | Sequence[str]) -> Tensor:
    return tokens if isinstance(tokens, Tensor) else tokenize(tokens)


# ---------------------------------------------------------------------------------- data sets
@dataclass(frozen=True, eq=False)
class BracketData:
    """Strings with their labels and tokens, and the masks of the failure classes.

    `labels` is bool [batch], True for balanced, kept as given and never recomputed.
    `tokens` is long [batch 42]. Odd-length strings are accepted.
    """

    strings: tuple[str, ...]
    labels: Tensor
    tokens: Tensor

    @classmethod
    def from_strings(cls, strings: Sequence[str]) -> BracketData:
        """Label the strings by the rule. Raises BadInput as `tokenize` does."""
        tokens = tokenize(strings, length=CONTEXT)
        return cls(tuple(decode(tokens)), is_balanced(tokens), tokens)

    @classmethod
    def from_json_bytes(cls, content: bytes, limit: int | None = None) -> BracketData:
        """Read a list of [string, bool] pairs, at most the first `limit`.

        Raises BadInput naming the first bad entry.
        """
        try:
            entries = json.loads(content)
        except ValueError as error:
            raise BadInput(f"bracket data is not valid JSON ({error}); fetch it again") from None
        if not isinstance(entries, list):
            raise BadInput("bracket data must be a JSON list of [string, true or false] pairs")
        entries = entries[:limit]
        for number, entry in enumerate(entries):
            if not (isinstance(entry, list) and [type(part) for part in entry] == [str, bool]):
                raise BadInput(
                    f"entry {number} of the bracket data is {_short(json.dumps(entry))}; "
                    "expected [string, true or false]"
                )
        strings = tuple(entry[0] for entry in entries)
        labels = torch.tensor([entry[1] for entry in entries], dtype=torch.bool)
        return cls(strings, labels, tokenize(strings, length=CONTEXT))

    def __len__(self) -> int:
        return len(self.strings)

    def subset(self, which: Tensor | slice) -> BracketData:
        """The rows of a bool mask [batch], of long indices, or of a slice."""
        rows = torch.arange(len(self))[which]
        strings = tuple(self.strings[i] for i in rows.tolist())
        return BracketData(strings, self.labels[rows], self.tokens[rows])

    def with_length(self, n: int) -> BracketData:
        """The strings of exactly n brackets."""
        return self.subset(self.lengths == n)

    @cached_property
    def lengths(self) -> Tensor:
        """Number of brackets: long [batch]."""
        return (self.tokens >= OPEN).sum(-1)

    @cached_property
    def open_share(self) -> Tensor:
        """Share of '(' among the brackets: float64 [batch]; NaN for the empty string."""
        return (self.tokens == OPEN).sum(-1).double() / self.lengths

    @cached_property
    def starts_open(self) -> Tensor:
        """Whether the first bracket is '(': bool [batch]."""
        return self.tokens[:, 1] == OPEN

    @cached_property
    def suffix_counts(self) -> tuple[Tensor, Tensor]:
        """`suffix_counts` of the tokens."""
        return suffix_counts(self.tokens)

    @cached_property
    def prefix_counts(self) -> tuple[Tensor, Tensor]:
        """`prefix_counts` of the tokens."""
        return prefix_counts(self.tokens)

    @cached_property
    def _failures(self) -> Failures:
        return failures(self.tokens)

    @property
    def total_failure(self) -> Tensor:
        """Unequal numbers of '(' and ')': bool [batch]."""
        return self._failures.total

    @property
    def negative_failure(self) -> Tensor:
        """Some suffix has more '(' than ')': bool [batch]."""
        return self._failures.negative

    @cached_property
    def only_total(self) -> Tensor:
        """Class T: bool [batch]."""
        return self.total_failure & ~self.negative_failure

    @cached_property
    def only_negative(self) -> Tensor:
        """Class N: bool [batch]."""
        return self.negative_failure & ~self.total_failure

    @cached_property
    def both(self) -> Tensor:
        """Class TN: bool [batch]."""
        return self.total_failure & self.negative_failure

    @cached_property
    def balanced(self) -> Tensor:
        """No failure by the rule, whatever the label says: bool [batch]."""
        return ~(self.total_failure | self.negative_failure)


# ---------------------------------------------------------------------------------- generator
def generate(n: int, seed: int) -> BracketData:
    """n strings of the published distribution, the same for the same seed."""
    if n < 1:
        raise BadInput(f"cannot generate {n} strings: ask for at least one")
    tokens, labels = sample_tokens(n, np.random.default_rng(seed))
    return BracketData(
        tuple(_to_strings(tokens)), torch.from_numpy(labels), torch.from_numpy(tokens)
    )


def sample_tokens(n: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """n random strings: tokens int64 [n 42] and labels bool [n], True for balanced.

    A string is balanced with probability 0.46022. Within each label it is distributed as a uniform
    even length from 2 to 40 with fair independent brackets, conditioned on that label.
    """
    labels = rng.random(n) < BALANCED_SHARE
    steps = np.zeros((n, MAX_LENGTH), dtype=np.int8)
    steps[labels] = balanced_steps(int(labels.sum()), MAX_LENGTH, rng)
    steps[~labels] = unbalanced_steps(int((~labels).sum()), MAX_LENGTH, rng)
    return _steps_to_tokens(steps), labels


def _steps_to_tokens(steps: NDArray[np.int8]) -> NDArray[np.int64]:
    tokens = np.full((len(steps), CONTEXT), PAD, dtype=np.int64)
    tokens[:, 0] = START
    tokens[:, 1:-1] = np.array([PAD, OPEN, CLOSE])[steps]  # -1 indexes the last: CLOSE
    tokens[np.arange(len(steps)), (steps != 0).sum(axis=1) + 1] = END
    return tokens
