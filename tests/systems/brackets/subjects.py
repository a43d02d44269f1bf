"""Subjects that a test may change."""

from __future__ import annotations

from replications.systems.brackets import BracketSubject
from replications.systems.brackets.roles import Roles


def fresh(subject: BracketSubject, roles: Roles | None = None) -> BracketSubject:
    """The same model with nothing measured yet, free to be tampered with."""
    return BracketSubject("fresh", subject.lens, subject.task.data, roles=roles)
