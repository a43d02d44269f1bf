"""The balanced-bracket classifier of ARENA's interpretability course.

>>> from replications import brackets
>>> s = brackets.subject("arena")
>>> s.elevation_head.bracket_cosine
-0.9974296667...
"""

from typing import TYPE_CHECKING

from replications.systems.brackets.infos import SUBJECTS
from replications.systems.on_demand import on_demand

if TYPE_CHECKING:
    from replications.systems.brackets.data import BracketData, decode, tokenize
    from replications.systems.brackets.measure import BracketSubject
    from replications.systems.brackets.subjects import LESIONS, subject
else:
    __getattr__ = on_demand(
        __name__,
        {
            "data": ["BracketData", "decode", "tokenize"],
            "measure": ["BracketSubject"],
            "subjects": ["LESIONS", "subject"],
        },
    )

__all__ = ["LESIONS", "SUBJECTS", "BracketData", "BracketSubject", "decode", "subject", "tokenize"]
