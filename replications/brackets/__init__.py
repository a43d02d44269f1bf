"""The balanced-bracket classifier of ARENA's interpretability course.

>>> from replications import brackets
>>> s = brackets.subject("arena")
>>> s.elevation_head.bracket_cosine
-0.9974296667...
"""

from replications.brackets.data import BracketData, decode, tokenize
from replications.brackets.measure import BracketSubject
from replications.brackets.subjects import LESIONS, SUBJECTS, subject

__all__ = ["LESIONS", "SUBJECTS", "BracketData", "BracketSubject", "decode", "subject", "tokenize"]
