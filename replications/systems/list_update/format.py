"""How a prompt of the list-update task is written: tokens, and what stands where."""

from __future__ import annotations

from dataclasses import dataclass

from replications.errors import BadInput

LIST = 3
NUMBERS = 50
BOS = NUMBERS
NL = NUMBERS + 1
VOCAB = NUMBERS + 2
CONTEXT = 2 * LIST + 5


@dataclass(frozen=True)
class Format:
    """Prompts for lists of `length` numbers below `numbers`: tokens, and what stands where.

    The document's is Format(3, 50).

    Raises BadInput if an index could not be written as a number, or if there is nothing to update.
    """

    length: int = LIST
    numbers: int = NUMBERS

    def __post_init__(self) -> None:
        if self.length < 1:
            raise BadInput(f"a list needs at least one element, not {self.length}")
        if self.numbers < max(self.length, 2):
            raise BadInput(
                f"{self.numbers} numbers are too few for lists of {self.length}: "
                "an index is written as a number too"
            )

    @property
    def bos(self) -> int:
        """The token that opens a prompt."""
        return self.numbers

    @property
    def newline(self) -> int:
        """The token NL, which ends a line."""
        return self.numbers + 1

    @property
    def vocabulary(self) -> int:
        """How many input tokens there are; the outputs are the numbers alone."""
        return self.numbers + 2

    @property
    def context(self) -> int:
        """How many tokens a prompt with its answer has."""
        return 2 * self.length + 5

    @property
    def list_positions(self) -> range:
        """Where the elements of the list stand: 1, 2, 3 for lists of three."""
        return range(1, self.length + 1)

    @property
    def index_position(self) -> int:
        """Where the index stands: 5 for lists of three."""
        return self.length + 2

    @property
    def element_position(self) -> int:
        """Where the new element stands: 6 for lists of three."""
        return self.length + 3

    @property
    def prediction_positions(self) -> range:
        """Where the answers are predicted: 7, 8, 9 for lists of three."""
        return range(self.length + 4, 2 * self.length + 4)

    @property
    def answer_positions(self) -> range:
        """Where the answers stand: one position after each prediction."""
        return range(self.length + 5, 2 * self.length + 5)

    def position(self, name: str) -> int:
        """The position of "index", "element" or "newline" (after the new element).

        Raises BadInput for any other name.
        """
        named = {
            "index": self.index_position,
            "element": self.element_position,
            "newline": self.element_position + 1,
        }
        if name not in named:
            raise BadInput(f"no position is called {name!r}; there are: {', '.join(named)}")
        return named[name]


DOCUMENT = Format()
