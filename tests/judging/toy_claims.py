"""A claim about a toy with one value, and two subjects it is judged on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from replications.judging.claim import Claim, Source, SubjectInfo, claim
from replications.judging.control import on
from replications.judging.expectation import at_least
from replications.judging.outcome import Outcome
from replications.judging.verdict import judge

SOURCE = Source("A document", "https://example.org/a")
GATING = SubjectInfo("toys", "arena", "arena", "original", True, (), "run: fetch it")
OTHER = SubjectInfo("toys", "retrained/seed3", "retrained", "retrained", False, ())


@dataclass(frozen=True)
class Toy:
    value: Any


UNTRAINED = on("untrained weights", lambda toy: Toy(0.0))


def written(**changes: Any) -> Any:
    """The claim "value ≥ 0.5" with some of its fields changed."""
    given: dict[str, Any] = {
        "says": "The value is large.",
        "source": SOURCE / "3 > Values",
        "tier": 1,
        "published": 0.9,
        "expect": {"arena": at_least(0.5), "retrained": at_least(0.5)},
        "control": UNTRAINED,
        **changes,
    }
    measure = given.pop("measure", lambda toy: toy.value)
    return claim(given.pop("id", "toys/value"), **given)(measure).claim  # type: ignore[attr-defined]


def recorded(made: Claim, info: SubjectInfo, value: Any, **changes: Any) -> Outcome:
    """The outcome that says what is found of `made` on a subject of this value."""
    found = judge(made, info, Toy(value)).found
    assert found is not None
    return replace(found, **{"reason": "the first run", **changes})
