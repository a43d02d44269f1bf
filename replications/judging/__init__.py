"""A finding as a claim that can fail: its expectation, its controls, its verdict, the ledger."""

from replications.judging.claim import Claim, Control, Source, SubjectInfo, claim, instead, on
from replications.judging.expectation import (
    Expectation,
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
from replications.judging.subject import Subject
from replications.judging.verdict import Row, judge

__all__ = [
    "Claim",
    "Control",
    "Expectation",
    "Ledger",
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
