"""Controls: something on which the expectation of a claim must be rejected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Measure = Callable[[Any], Any]
"""Measures one value on a subject."""


@dataclass(frozen=True)
class Control:
    """A measurement whose value the expectation of a claim must reject.

    `measure` is called with the subject and with the claim's own measurement.  `only` names the
    one group of subjects that the control is for; empty for all groups.  `accepted_if` is one
    sentence on a world in which the control would be accepted; it is needed where `replications
    audit` finds none among the subjects, untrained models and lesions.
    """

    name: str
    measure: Callable[[Any, Measure], Any]
    only: str = ""
    accepted_if: str = ""


def on(
    name: str, transform: Callable[[Any], Any], *, only: str = "", accepted_if: str = ""
) -> Control:
    """A control that takes the claim's own measurement on `transform(subject)`."""
    return Control(name, lambda subject, measure: measure(transform(subject)), only, accepted_if)


def instead(name: str, measure: Measure, *, only: str = "", accepted_if: str = "") -> Control:
    """A control that takes another measurement on the same subject."""
    return Control(name, lambda subject, _: measure(subject), only, accepted_if)
