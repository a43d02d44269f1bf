"""A finding as a claim that can fail: its expectation, its controls, its verdict, the ledger.

A claim is written with `claim`, one of the expectations (`near`, `between`, `at_least`, `at_most`,
`exactly`, `each`, `listed`, `parts`, `ranks`), and a control made by `on` or `instead`.  `judge`
gives a `Row`, compared with the recorded `Outcome`, and a `Ledger` keeps the rows of one run.
Nothing here imports torch.
"""

from replications.judging.claim import Claim, Source, SubjectInfo, claim
from replications.judging.control import Control, instead, on
from replications.judging.expectation import (
    Expectation,
    PartVerdict,
    Verdict,
    at_least,
    at_most,
    between,
    each,
    exactly,
    listed,
    near,
    parts,
    ranks,
)
from replications.judging.ledger import Ledger
from replications.judging.outcome import Outcome
from replications.judging.row import ControlResult, Row
from replications.judging.subject import Subject
from replications.judging.verdict import judge

__all__ = [
    "Claim",
    "Control",
    "ControlResult",
    "Expectation",
    "Ledger",
    "Outcome",
    "PartVerdict",
    "Row",
    "Source",
    "Subject",
    "SubjectInfo",
    "Verdict",
    "at_least",
    "at_most",
    "between",
    "claim",
    "each",
    "exactly",
    "instead",
    "judge",
    "listed",
    "near",
    "on",
    "parts",
    "ranks",
]
