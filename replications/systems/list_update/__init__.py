"""A two-layer, attention-only transformer that updates one element of a list, trained here.

>>> from replications import list_update
>>> s = list_update.subject("seed1")
>>> s.circuits.copying(s.roles.copying)
1.0
"""

from typing import TYPE_CHECKING

from replications.systems.list_update.format import Format
from replications.systems.list_update.infos import SUBJECTS
from replications.systems.on_demand import on_demand

if TYPE_CHECKING:
    from replications.systems.list_update.data import encode, generate, printed_pair
    from replications.systems.list_update.measure import ListUpdateSubject
    from replications.systems.list_update.subjects import LESIONS, subject
else:
    __getattr__ = on_demand(
        __name__,
        {
            "data": ["encode", "generate", "printed_pair"],
            "measure": ["ListUpdateSubject"],
            "subjects": ["LESIONS", "subject"],
        },
    )

__all__ = [
    "LESIONS",
    "SUBJECTS",
    "Format",
    "ListUpdateSubject",
    "encode",
    "generate",
    "printed_pair",
    "subject",
]
