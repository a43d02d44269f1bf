"""A two-layer, attention-only transformer that updates one element of a list, trained here.

>>> from replications import list_update
>>> s = list_update.subject("seed1")
>>> s.circuits.copying(s.roles.copying)
1.0
"""

from replications.systems.list_update.data import Format, encode, generate, printed_pair
from replications.systems.list_update.measure import ListUpdateSubject
from replications.systems.list_update.subjects import LESIONS, SUBJECTS, subject

__all__ = [
    "LESIONS", "SUBJECTS", "Format", "ListUpdateSubject", "encode", "generate", "printed_pair",
    "subject",
]  # fmt: skip
