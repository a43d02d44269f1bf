"""What a fixture may say about the subject it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from replications.judging.claim import Kind


@dataclass(frozen=True)
class Subject:
    """A model, or whatever claims are measured on, with the facts that a ledger records.

    A fixture named `subject` may return this instead of the bare `value`.  `kind` is "original" for
    published weights, "retrained" for weights trained with the same recipe, "toy" for a stand-in;
    the default is the most modest.  `group` is the key of `expect` that applies, needed only where
    a claim names several groups and none is the subject's name.  A subject that does not `gate`
    is recorded, and cannot fail a run.
    """

    value: Any
    kind: Kind = "toy"
    group: str = ""
    gates: bool = True
