"""Which head of a list-update model plays which part."""

from __future__ import annotations

from dataclasses import dataclass

from replications.models import Head
from replications.systems.list_update.task import Task


@dataclass(frozen=True)
class Roles:
    """The two heads of the circuit; in a model of one layer they are the same head."""

    previous: Head
    """Looks from the new element at the index, the token before it (the document's head 0.0)."""
    copying: Head
    """Copies each answer to where it is predicted (the document's head 1.0)."""


PUBLISHED = Roles(previous=(0, 0), copying=(1, 0))


def find_roles(task: Task) -> Roles:
    """The roles in a model with one head per layer: first layer `previous`, last `copying`."""
    return Roles(previous=(0, 0), copying=(task.lens.shape.n_layers - 1, 0))
