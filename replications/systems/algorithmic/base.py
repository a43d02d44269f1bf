"""What the subjects of all problems share: a model, its sequences, and its variants."""

from __future__ import annotations

from functools import cached_property
from typing import Self

from torch import Tensor

from replications.lens import Lens
from replications.systems.algorithmic.data import Examples, Symbols
from replications.systems.algorithmic.model import Model
from replications.systems.algorithmic.problems import PUBLISHED_SEED
from replications.systems.algorithmic.task import Preparation, Task

__all__ = ["AlgorithmicSubject"]


class AlgorithmicSubject:
    """One model of one problem with the sequences it is measured on.

    `lens` has the weights as they were trained; measurements are made on processed weights unless
    `preparation` says otherwise. `seed` is the seed that the model was trained from. Where the
    rules of `roles` can find its heads and neurons, `by_role` finds them; otherwise they are the
    published ones. A variant of a subject, called `of`, keeps those of the subject.
    """

    model: Model
    symbols: Symbols

    def __init__(
        self,
        name: str,
        lens: Lens,
        *,
        seed: int = PUBLISHED_SEED,
        preparation: Preparation = "processed",
        examples: Examples | None = None,
        by_role: bool = False,
        of: Self | None = None,
    ) -> None:
        self.name = name
        self.lens = lens
        self.seed = seed
        self.by_role = by_role
        self.of = of
        self.task = Task(lens, self._drawn() if examples is None else examples, preparation)

    def __repr__(self) -> str:
        return f"<{self.model.problem} model {self.name!r}, {len(self.task.examples)} sequences>"

    @staticmethod
    def _drawn() -> Examples:
        """The published set."""
        raise NotImplementedError

    @property
    def prompting(self) -> Symbols:
        """How it is given a sequence."""
        return self.symbols

    @property
    def tokens(self) -> Tensor:
        """The sequences: long [n pos]."""
        return self.task.tokens

    # ---------------------------------------------------------------- other models
    def variant(self, name: str, lens: Lens, preparation: Preparation | None = None) -> Self:
        """Another model, or other preparation, on the same sequences, called NAME~name."""
        return type(self)(
            f"{self.name}~{name}",
            lens,
            seed=self.seed,
            preparation=preparation or self.task.preparation,
            examples=self.task.examples,
            by_role=self.by_role,
            of=self,
        )

    @cached_property
    def untrained(self) -> Self:
        """The weights its training started from."""
        return self.variant("untrained", self.lens.reopen(self.model.untrained(self.seed)))

    @cached_property
    def raw(self) -> Self:
        """The same model, measured without processing."""
        return self.variant("raw", self.lens, "raw")

    @cached_property
    def value_biases_kept(self) -> Self:
        """The same model, processed but for the last step."""
        return self.variant("value biases kept", self.lens, "value biases kept")
