"""Recall of a last name when its first name is repeated: induction in small language models.

>>> from replications import name_recall
>>> s = name_recall.subject("toy/seed0")
>>> round(s.two_layers.between_layers("first_name"), 2)
1.0
"""

from replications.systems.name_recall.data import (
    Names,
    Prompts,
    document_prompts,
    name_pairs,
    prompts,
)
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.subjects import LESIONS, SUBJECTS, subject

__all__ = [
    "LESIONS", "SUBJECTS", "NameRecallSubject", "Names", "Prompts", "document_prompts",
    "name_pairs", "prompts", "subject",
]  # fmt: skip
