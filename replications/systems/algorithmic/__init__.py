"""Small published transformers, each trained on one algorithmic problem.

>>> from replications import algorithmic                                        # doctest: +SKIP
>>> algorithmic.subject("palindrome").behaviour.headline()                      # doctest: +SKIP
{'loss': 0.00798..., 'logit_difference': 7.48911...}
"""

from typing import TYPE_CHECKING

from replications.systems.algorithmic.infos import SUBJECTS
from replications.systems.on_demand import on_demand

if TYPE_CHECKING:
    from replications.systems.algorithmic.measure import (
        CumsumSubject,
        OneLayerSumSubject,
        PalindromeSubject,
        SortedSubject,
        SumSubject,
        UniqueSubject,
    )
    from replications.systems.algorithmic.subjects import LESIONS, subject
else:
    __getattr__ = on_demand(
        __name__,
        {
            "measure": [
                "CumsumSubject",
                "OneLayerSumSubject",
                "PalindromeSubject",
                "SortedSubject",
                "SumSubject",
                "UniqueSubject",
            ],
            "subjects": ["LESIONS", "subject"],
        },
    )

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
