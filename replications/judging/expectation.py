"""The vocabulary of expectations: what a measured value must satisfy, and by how much it does.

Every word here builds a frozen `Expectation`.  Its `judge` returns a `Verdict` with the margin: the
signed distance to the nearest edge in the unit of the value, positive inside, zero on the edge,
negative outside, and NaN where there is no distance.  A value that is not finite never satisfies
anything.  Standard library only.
"""

from __future__ import annotations

from replications.judging.base import Expectation, PartData, PartVerdict, Verdict
from replications.judging.compound import each, listed, parts, ranks
from replications.judging.single import at_least, at_most, between, exactly, near
from replications.judging.values import to_json

__all__ = [
    "Expectation",
    "PartData",
    "PartVerdict",
    "Verdict",
    "at_least",
    "at_most",
    "between",
    "each",
    "exactly",
    "listed",
    "near",
    "parts",
    "ranks",
    "to_json",
]
