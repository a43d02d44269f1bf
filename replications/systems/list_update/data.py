"""Inputs of the list-update task: a list, an index, a new element, and the list after the update.

A prompt for lists of three is `BOS a1 a2 a3 NL idx elt NL b1 b2 b3`, where b is a with element
`idx` (counted from 0) replaced by `elt`. Numbers are their own tokens; BOS and NL come after them.
The answer b is part of the input; each of its elements is predicted one position before it.

Everything here is a pure function of tokens or of a random generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.systems.list_update.format import DOCUMENT as DOCUMENT
from replications.systems.list_update.format import Format as Format

Task = Format
"""The name under which model.py and train.py import it."""


# ------------------------------------------------------------------------------------- prompts
def encode(numbers: Sequence[int], index: int, element: int, format: Format = DOCUMENT) -> Tensor:
    """One prompt with its answer: tokens, long [pos].

    Raises BadInput for a list of the wrong length, an index outside the list, or a number outside
    the vocabulary.
    """
    if len(numbers) != format.length:
        raise BadInput(
            f"the list has {len(numbers)} elements; this task has lists of {format.length}"
        )
    for place, value in enumerate(numbers):
        _check_number(value, f"element {place} of the list", format)
    _check_number(element, "the new element", format)
    if not _is_whole(index) or not 0 <= index < format.length:
        raise BadInput(f"index {index!r} is out of range: indices are 0 to {format.length - 1}")
    one = torch.tensor([list(numbers)]), torch.tensor([index]), torch.tensor([element])
    return _assemble(*one, format)[0]


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _check_number(value: int, what: str, format: Format) -> None:
    if not _is_whole(value) or not 0 <= value < format.numbers:
        raise BadInput(
            f"{what} is {value!r}, which is not in the vocabulary: numbers are 0 to "
            f"{format.numbers - 1}"
        )


def check_tokens(tokens: Tensor, format: Format = DOCUMENT) -> Tensor:
    """Return `tokens` [batch pos] if each row is a prompt with its right answer.

    Raises BadInput that names the first wrong row and what is wrong with it.
    """
    if tokens.ndim != 2 or tokens.shape[1] != format.context:
        raise BadInput(
            f"tokens must have shape [batch {format.context}] for lists of {format.length}, "
            f"not {list(tokens.shape)}"
        )
    n = format.length
    numbers = torch.cat([tokens[:, 1 : n + 1], tokens[:, n + 3 : n + 4], tokens[:, n + 5 :]], 1)
    index = tokens[:, format.index_position]
    right_index = (index >= 0) & (index < n)
    marks = (tokens[:, 0] == format.bos) & (tokens[:, [n + 1, n + 4]] == format.newline).all(1)
    _all_rows(marks, "BOS or a newline is not in its place")
    _all_rows(((numbers >= 0) & (numbers < format.numbers)).all(1), "a number is out of vocabulary")
    _all_rows(right_index, f"the index is out of range (0 to {n - 1})")
    right = (answers(tokens, format) == tokens[:, n + 5 :]).all(1)
    _all_rows(right, "the answer is not the updated list")
    return tokens


def _all_rows(right: Tensor, problem: str) -> None:
    if not right.all():
        raise BadInput(f"row {int((~right).nonzero()[0, 0])}: {problem}")


def answers(tokens: Tensor, format: Format = DOCUMENT) -> Tensor:
    """The list after the update, computed from the prompt: long [batch list]."""
    return tokens.gather(1, sources(tokens, format))


def sources(tokens: Tensor, format: Format = DOCUMENT) -> Tensor:
    """The position in the prompt from which each answer can be copied: long [batch list].

    This is the element's own position in the list or, at the updated index, that of the new
    element.
    """
    fixed = torch.arange(1, format.length + 1, device=tokens.device).repeat(len(tokens), 1)
    updated = fixed - 1 == tokens[:, format.index_position, None]
    return torch.where(updated, format.element_position, fixed)


def _assemble(numbers: Tensor, index: Tensor, element: Tensor, format: Format) -> Tensor:
    """Prompts from lists [batch list], indices [batch] and new elements [batch]."""
    updated = numbers.scatter(1, index[:, None], element[:, None])
    bos = torch.full_like(index, format.bos)[:, None]
    newline = torch.full_like(index, format.newline)[:, None]
    return torch.cat([bos, numbers, newline, index[:, None], element[:, None], newline, updated], 1)


# ----------------------------------------------------------------------------------- generator
def generate(batch: int, seed: int | np.random.Generator, format: Format = DOCUMENT) -> Tensor:
    """Random prompts with their answers, long [batch pos]; the same seed gives the same prompts.

    Numbers are independent and uniform. As in the document (section "Task dataset"), the whole
    batch has one index and one new element, both uniform.
    """
    rng = _generator(batch, seed)
    numbers = torch.from_numpy(rng.integers(0, format.numbers, size=(batch, format.length)))
    index = torch.full((batch,), int(rng.integers(0, format.length)))
    element = torch.full((batch,), int(rng.integers(0, format.numbers)))
    return _assemble(numbers, index, element, format)


def generate_mixed(
    batch: int, seed: int | np.random.Generator, format: Format = DOCUMENT
) -> Tensor:
    """Random prompts, long [batch pos], each with an index and a new element of its own.

    Models are measured on these.
    """
    rng = _generator(batch, seed)
    numbers = torch.from_numpy(rng.integers(0, format.numbers, size=(batch, format.length)))
    index = torch.from_numpy(rng.integers(0, format.length, size=batch))
    element = torch.from_numpy(rng.integers(0, format.numbers, size=batch))
    return _assemble(numbers, index, element, format)


def _generator(batch: int, seed: int | np.random.Generator) -> np.random.Generator:
    if batch < 1:
        raise BadInput(f"cannot generate {batch} prompts: ask for at least one")
    if isinstance(seed, np.random.Generator):
        return seed
    if seed < 0:
        raise BadInput(f"seed must be at least 0, not {seed}")
    return np.random.default_rng(seed)


# --------------------------------------------------------------------------- clean and corrupted
@dataclass(frozen=True, eq=False)
class Pairs:
    """Prompts and their corruptions, which differ in the index (and so in two answers).

    Logits are read at `position`, where the answer at the clean index is predicted. There the
    clean prompt asks for `correct`, the new element, and the corrupted one for `incorrect`, the
    old element. Up to that position the index is the only token that differs.
    """

    clean: Tensor
    """Tokens [batch pos]."""
    corrupted: Tensor
    """Tokens [batch pos]."""
    format: Format = DOCUMENT

    def __len__(self) -> int:
        return len(self.clean)

    @property
    def index(self) -> Tensor:
        """The index of the clean prompt: long [batch]."""
        return self.clean[:, self.format.index_position]

    @property
    def position(self) -> Tensor:
        """Where the logits are read: long [batch]."""
        return self.index + self.format.prediction_positions[0]

    @property
    def correct(self) -> Tensor:
        """The new element: long [batch]."""
        return self.clean[:, self.format.element_position]

    @property
    def incorrect(self) -> Tensor:
        """The element it replaces: long [batch]."""
        return self.clean.gather(1, self.index[:, None] + 1)[:, 0]


def printed_pair() -> Pairs:
    """The pair that the document prints: its prompt, and the prompt with index 2 instead of 1."""
    clean, corrupted = (encode([14, 23, 48], index, 26) for index in (1, 2))
    return Pairs(clean[None], corrupted[None])


def pairs(n: int, seed: int, format: Format = DOCUMENT) -> Pairs:
    """n random pairs like the printed one; the same seed gives the same pairs.

    The old numbers and the new one all differ, so that an answer shows where it was copied from.
    The corrupted index is the larger one; otherwise earlier answers would differ too. Raises
    BadInput for a format with one index only or too few numbers.
    """
    if format.length < 2 or format.numbers <= format.length:
        raise BadInput(
            f"pairs need two indices and {format.length + 1} different numbers, which lists of "
            f"{format.length} of {format.numbers} numbers do not have"
        )
    rng = _generator(n, seed)
    chosen = rng.permuted(np.tile(np.arange(format.numbers), (n, 1)), axis=1)[
        :, : format.length + 1
    ]
    drawn = torch.from_numpy(chosen)
    two = rng.permuted(np.tile(np.arange(format.length), (n, 1)), axis=1)[:, :2]
    first, second = torch.from_numpy(np.sort(two, axis=1)).unbind(1)
    clean, corrupted = (_assemble(drawn[:, :-1], i, drawn[:, -1], format) for i in (first, second))
    return Pairs(clean, corrupted, format)
