"""Indirect-object identification: GPT-2 small, and toy models trained here to compare with.

>>> from replications import ioi
>>> s = ioi.subject("repairing/seed0")
>>> s.name_movers.ablation.numbers  # doctest: +SKIP
"""

from replications.systems.ioi.data import Prompts, encode, flip, generate
from replications.systems.ioi.measure import IoiSubject
from replications.systems.ioi.roles import Roles, find_roles
from replications.systems.ioi.subjects import LESIONS, SUBJECTS, subject
from replications.systems.ioi.task import Task

__all__ = [
    "LESIONS",
    "SUBJECTS",
    "IoiSubject",
    "Prompts",
    "Roles",
    "Task",
    "encode",
    "find_roles",
    "flip",
    "generate",
    "subject",
]
