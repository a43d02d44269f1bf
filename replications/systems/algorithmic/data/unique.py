"""Sequences of letters after an opening "?". The answer at each position: which letter is the first
of those that have occurred exactly once so far?

The same token stands for "?" in the input and for "none" in the output.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.systems.algorithmic.data.examples import Examples, Symbols, seeded

LETTERS = "abcdefghij"
NONE = len(LETTERS)
"""The token "?": it opens a sequence, and is the answer where no letter occurs once."""
CONTEXT = 20
SET_SIZE, SET_SEED = 1_000, 42
"""The set that the published analysis measures on."""
ADVERSARIAL = "ggbbiihaggbigbigbig"
"""The string that the document builds against the model; h is the answer from position 7 on."""

SYMBOLS = Symbols(
    inputs=tuple(LETTERS),
    markers=("?",),
    outputs=(*LETTERS, "?"),
    opening=NONE,
    closing=None,
    shortest=1,
    longest=CONTEXT - 1,
)


def generate(n: int, seed: int, *, letters: int = len(LETTERS), length: int = CONTEXT) -> Examples:
    """n sequences of independent, evenly drawn letters, each `length` tokens long.

    `letters` is how many letters there are; "?" is the token after them. Raises BadInput for a
    set, an alphabet or a sequence that is empty, and for a negative seed.
    """
    if min(n, letters, length - 1) < 1:
        raise BadInput(f"there is nothing to draw: {n} rows of {length - 1} of {letters} letters")
    drawn = torch.randint(letters, (n, length - 1), generator=seeded(seed))
    return of_tokens(torch.cat([torch.full((n, 1), letters), drawn], dim=1), none=letters)


def of_text(text: str) -> Tensor:
    """The tokens of a string of letters: long [1 pos]. Raises BadInput as `Symbols.tokens`."""
    return SYMBOLS.tokens(text)


def of_tokens(tokens: Tensor, none: int = NONE) -> Examples:
    """Sequences [n pos] with the right answers at every position."""
    return Examples(tokens, first_unique(tokens, none), tuple(range(tokens.shape[1])))


def counts(tokens: Tensor, letters: int) -> Tensor:
    """How often each letter has occurred up to and at each position: long [n pos letter]."""
    return (tokens[..., None] == torch.arange(letters)).long().cumsum(1)


def first_unique(tokens: Tensor, none: int = NONE) -> Tensor:
    """The first letter that has occurred exactly once so far, `none` without one: long [n pos]."""
    return _unique(tokens, none, last=False)


def last_unique(tokens: Tensor, none: int = NONE) -> Tensor:
    """The last letter that has occurred exactly once so far: another rule, for controls."""
    return _unique(tokens, none, last=True)


def first_letter(tokens: Tensor) -> Tensor:
    """The first letter of the sequence at every position but 0: another rule, for controls."""
    return torch.cat([tokens[:, :1], tokens[:, 1:2].expand_as(tokens[:, 1:])], dim=1)


def _unique(tokens: Tensor, none: int, *, last: bool) -> Tensor:
    once = counts(tokens, none) == 1  # [n pos letter]
    length = tokens.shape[1]
    places = torch.arange(length)[None, :, None].expand(len(tokens), length, none)
    seen = tokens[..., None] == torch.arange(none)
    # Where a letter that occurs once stands; it stands nowhere else, so any occurrence will do.
    first = torch.where(seen, places, length).cummin(1).values
    rank = torch.where(once, -first if last else first, length + 1)
    best = rank.min(-1)
    return torch.where(once.any(-1), best.indices, none)


def earlier_copies(tokens: Tensor) -> Tensor:
    """Whether a key before the query holds the same token: bool [n query key]."""
    same = tokens[:, :, None] == tokens[:, None, :]
    return same.tril(-1)


def rounds(once: str, repeated: Sequence[str], second: str) -> str:
    """A string like `ADVERSARIAL`: three repeated letters, `once`, `second`, the three again.

    Each repeated letter stands twice at the beginning, in the order given; after the two single
    letters the first of them stands twice, then they alternate up to the model's context.
    """
    opening = "".join(2 * letter for letter in repeated)
    cycle = "".join(repeated)
    rest = repeated[0] + cycle * CONTEXT
    return (opening + once + second + rest)[: CONTEXT - 1]
