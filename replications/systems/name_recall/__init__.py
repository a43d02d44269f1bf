"""Recall of a last name when its first name is repeated: induction in small language models.

>>> from replications import name_recall
>>> s = name_recall.subject("toy/seed0")
>>> round(s.two_layers.between_layers("first_name"), 2)
1.0
"""

from typing import TYPE_CHECKING

from replications.systems.name_recall.infos import SUBJECTS
from replications.systems.on_demand import on_demand

if TYPE_CHECKING:
    from replications.systems.name_recall.data import (
        Names,
        Prompts,
        document_prompts,
        name_pairs,
        prompts,
    )
    from replications.systems.name_recall.measure import NameRecallSubject
    from replications.systems.name_recall.subjects import LESIONS, subject
else:
    __getattr__ = on_demand(
        __name__,
        {
            "data": ["Names", "Prompts", "document_prompts", "name_pairs", "prompts"],
            "measure": ["NameRecallSubject"],
            "subjects": ["LESIONS", "subject"],
        },
    )

__all__ = [
    "LESIONS",
    "SUBJECTS",
    "NameRecallSubject",
    "Names",
    "Prompts",
    "document_prompts",
    "name_pairs",
    "prompts",
    "subject",
]
