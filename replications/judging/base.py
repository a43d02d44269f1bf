"""What every expectation has: a judgement with a margin, and a description as data."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from replications.judging.values import finite

NAN = math.nan


@dataclass(frozen=True)
class PartVerdict:
    """The verdict on one named part of a compound value.

    `finite` is False where the value of the part is NaN or infinite: it does not hold, and yet it
    was not rejected, because such a value satisfies no expectation.
    """

    name: str
    holds: bool
    margin: float
    finite: bool = True

    @property
    def rejected(self) -> bool:
        """Whether the expectation rejected a finite value of this part."""
        return self.finite and not self.holds


@dataclass(frozen=True)
class Verdict:
    """Whether a value satisfies an expectation, by what margin, and why in words.

    `parts` has a verdict for each part that `Expectation.data` describes; it is empty where the
    expectation has a single part without a name.
    """

    holds: bool
    margin: float
    why: str
    parts: tuple[PartVerdict, ...] = ()

    @property
    def rejected_parts(self) -> tuple[str, ...]:
        """The names of the parts that were rejected."""
        return tuple(part.name for part in self.parts if part.rejected)


@dataclass(frozen=True)
class PartData:
    """One part of an expectation as data.

    `at` is the path of indices to the part in the measured value as the ledger keeps it.  With
    `every`, a list stands there of which every item is judged.  `low` and `high` are the edges,
    None for an open side; both are None for a kind that has no edges.  `inclusive` says whether a
    value on an edge satisfies the expectation.
    """

    name: str
    at: tuple[int, ...]
    kind: str
    low: float | None
    high: float | None
    words: str
    because: str
    every: bool = False
    inclusive: bool = True


@dataclass(frozen=True)
class Expectation(ABC):
    """What a value must satisfy.  `because` is the reason for the tolerance."""

    kind: ClassVar[str]
    because: str = field(default="", kw_only=True)

    @abstractmethod
    def judge(self, measured: Any) -> Verdict:
        """Judge one measured value.  TypeError if it is not of the kind that is judged here."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the parts of the measured value; None if they have no names."""
        return None

    @property
    def edges(self) -> tuple[float | None, float | None]:
        """The smallest and the largest value that is accepted; None for a side that is open."""
        return None, None

    def described(self, name: str = "", at: tuple[int, ...] = ()) -> tuple[PartData, ...]:
        """The parts of this expectation, for a value that has `name` and stands at `at`."""
        return (PartData(name, at, self.kind, *self.edges, str(self), self.because),)

    def data(self) -> dict[str, Any]:
        """The expectation in JSON types: its words, its reason, and its parts with their edges."""
        parts = [{**asdict(part), "at": list(part.at)} for part in self.described()]
        return {"words": str(self), "because": self.because, "parts": parts}


def all_of(verdicts: Sequence[tuple[str, Any, Verdict]]) -> Verdict:
    """The verdict on several named values: it holds if all of them hold.

    Margin and reason are those of the tightest verdict; a margin of NaN is the tightest of all.
    """
    name, _, worst = min(
        verdicts,
        key=lambda nvv: (nvv[2].holds, -math.inf if math.isnan(nvv[2].margin) else nvv[2].margin),
    )
    parts = [part for name, value, verdict in verdicts for part in _parts(name, value, verdict)]
    holds = all(verdict.holds for _, _, verdict in verdicts)
    return Verdict(holds, worst.margin, f"{name}: {worst.why}", tuple(parts))


def _parts(name: str, value: Any, verdict: Verdict) -> list[PartVerdict]:
    if verdict.parts:
        return [replace(part, name=f"{name} {part.name}") for part in verdict.parts]
    return [PartVerdict(name, verdict.holds, verdict.margin, finite(value))]
