"""Indirect-object identification: GPT-2 small, and toy models trained here to compare with.

>>> from replications import ioi
>>> s = ioi.subject("repairing/seed0")
>>> s.movers.ablation.numbers  # doctest: +SKIP
"""

from replications.systems.ioi.measure import IoiSubject
from replications.systems.ioi.prompts import Prompts, encode, flip, generate
from replications.systems.ioi.subjects import LESIONS, SUBJECTS, subject

__all__ = ["LESIONS", "SUBJECTS", "IoiSubject", "Prompts", "encode", "flip", "generate", "subject"]
