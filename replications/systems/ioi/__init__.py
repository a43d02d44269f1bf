"""Indirect-object identification: GPT-2 small, and toy models trained here to compare with.

>>> from replications import ioi
>>> s = ioi.subject("repairing/seed0")
>>> s.name_movers.ablation.numbers  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from replications.systems.ioi.infos import SUBJECTS
from replications.systems.on_demand import on_demand

if TYPE_CHECKING:
    from replications.systems.ioi.data import Prompts, encode, flip, generate
    from replications.systems.ioi.measure import IoiSubject
    from replications.systems.ioi.roles import Roles, find_roles
    from replications.systems.ioi.subjects import LESIONS, subject
    from replications.systems.ioi.task import Task
else:
    __getattr__ = on_demand(
        __name__,
        {
            "data": ["Prompts", "encode", "flip", "generate"],
            "measure": ["IoiSubject"],
            "roles": ["Roles", "find_roles"],
            "subjects": ["LESIONS", "subject"],
            "task": ["Task"],
        },
    )

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
