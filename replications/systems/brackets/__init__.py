"""The balanced-bracket classifier of ARENA's interpretability course.

>>> from replications import brackets
>>> s = brackets.subject("arena")
>>> s.elevation_head.bracket_cosine
-0.9974296667...
"""

from replications.systems.brackets.data import BracketData, decode, tokenize
from replications.systems.brackets.measure import BracketSubject
from replications.systems.brackets.subjects import LESIONS, SUBJECTS, subject

__all__ = ["LESIONS", "SUBJECTS", "BracketData", "BracketSubject", "decode", "subject", "tokenize"]
