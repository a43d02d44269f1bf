"""Small published transformers, each trained on one algorithmic problem.

>>> from replications import algorithmic                                        # doctest: +SKIP
>>> algorithmic.subject("palindrome").behaviour.headline()                      # doctest: +SKIP
{'loss': 0.00798..., 'logit_difference': 7.48911...}
"""

from replications.systems.algorithmic.measure import (
    CumsumSubject,
    OneLayerSumSubject,
    PalindromeSubject,
    SortedSubject,
    SumSubject,
    UniqueSubject,
)
from replications.systems.algorithmic.subjects import LESIONS, SUBJECTS, subject

__all__ = [
    "LESIONS",
    "SUBJECTS",
    "CumsumSubject",
    "OneLayerSumSubject",
    "PalindromeSubject",
    "SortedSubject",
    "SumSubject",
    "UniqueSubject",
    "subject",
]
