"""What a fixture may say about the subject it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from replications.judging.claim import Kind


@dataclass(frozen=True)
class Subject:
    """A model, or whatever claims are measured on, with the facts that a ledger records.

    A fixture named `subject` may return this instead of the bare `value`.  `kind` is "original" for
    published weights, "retrained" for weights trained with the same recipe, "toy" for a stand-in,
    "construction" for weights written by hand; the default is "toy".  `group` is the key of
    `expect` that applies, needed only where a claim names several groups and none is the subject's
    name.  On a subject that does not `gate` nothing is asserted: its outcome is recorded.
    """

    value: Any
    kind: Kind = "toy"
    group: str = ""
    gates: bool = True
