"""What the claims about algorithmic problems share: the source, tolerances and controls.

Subjects: the published models, each called as its problem, and models that we trained ourselves
with the same recipe: `cumsum-retrained` from other seeds, `cumsum-published-start` from the seed of
the published model. Of these the numbers are not expected, only what a sentence says, with heads
and neurons found by what they do.

A printed number is met to half of its last digit. A number read off a figure is met to 1e-3, or to
1e-4 of itself above 10, which leaves room for other hardware and rejects the other preparation of
the weights wherever the two differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from replications import algorithmic
from replications.judging import Control, Expectation, Source, listed, near, on, parts

DOCUMENT = Source(
    "ARENA: monthly algorithmic problems",
    "https://github.com/callummcdougall/ARENA_2.0/blob/"
    "e805ad8772b81fa44252ab3b7590ac614aa29376/chapter1_transformers/instructions/pages/"
    "09_Monthly_Algorithmic_Problems.py",
)
PALINDROME = DOCUMENT / "July 2023: Palindromes"
UNIQUE = DOCUMENT / "August 2023: First Unique Character"
SUM = DOCUMENT / "September 2023: Sum of Two Numbers"
SORTED = DOCUMENT / "October 2023: Sorted List"
CUMSUM = DOCUMENT / "November 2023: Cumulative Sum"

ROUNDED = "half of the last printed digit"
FIGURE = "read off the published figure"

untrained = on(
    "untrained weights",
    lambda s: s.untrained,
    accepted_if="training that starts from weights which show the finding already",
)
raw = on(
    "raw weights",
    lambda s: s.raw,
    accepted_if="a document that reads this number off weights as they were trained",
)

POSITIONS = ("published-start",)
"""The models trained here of which a sentence about single positions is said."""
_GROUPS = {info.group for info in algorithmic.SUBJECTS}


def raw_of(problem: str) -> Control:
    """The control `raw` for the published model alone: it tells numbers apart, not findings."""
    return replace(raw, only=problem)


def also_retrained(
    problem: str,
    published: Expectation,
    retrained: Expectation | None = None,
    *,
    starts: Sequence[str] = ("published-start", "retrained"),
) -> Mapping[str, Expectation]:
    """What is expected of the published model, and of those models trained here that there are.

    Without `retrained` the same of both: what names no printed number is said of all of them. A
    sentence about single positions is said of `starts=POSITIONS` only: other starts have others.
    """
    again = published if retrained is None else retrained
    groups = {f"{problem}-{start}" for start in starts} & _GROUPS
    return {problem: published, **dict.fromkeys(sorted(groups), again)}


def only_retrained(problem: str, expected: Expectation) -> Mapping[str, Expectation]:
    """What is expected of models trained here where the document ships none."""
    return {f"{problem}-retrained": expected}


def printed(value: float) -> Expectation:
    """The value to half of the third decimal."""
    return near(value, abs=5e-4, because=ROUNDED)


def certainty(loss: float, mean: float, median: float, smallest: float, **more: Expectation):
    """The loss and the probabilities of the right answers, as printed, and other parts."""
    values = {"loss": loss, "mean": mean, "median": median, "smallest": smallest}
    return named({name: printed(value) for name, value in values.items()}, **more)


def named(expected: Mapping[str, Expectation], **more: Expectation) -> Expectation:
    """Parts whose names are no words of Python, such as "0.1", and others after them."""
    return parts(because="", **expected, **more)


def figures(values: Mapping[str, Sequence[float]], abs: float, rel: float = 0.0):
    """Parts that are figures, by name."""
    return {name: figure(of, abs, rel) for name, of in values.items()}


def figure(values: Sequence[float], abs: float, rel: float = 0.0, because: str = FIGURE):
    """Every value of a figure to `abs`, or to `rel` of itself where that is more."""
    expected = [near(value, abs=max(abs, rel * (value**2) ** 0.5)) for value in values]
    return listed(*expected, because=because)
