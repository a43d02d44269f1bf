"""The systems that exist, by name.  Nothing of a system is imported until it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol, cast

from replications.claim import SubjectInfo
from replications.errors import BadInput

SYSTEMS: tuple[str, ...] = ("brackets", "list_update", "ioi", "name_recall")


class System(Protocol):
    """What the module of a system provides."""

    SUBJECTS: tuple[SubjectInfo, ...]
    LESIONS: tuple[SubjectInfo, ...]

    def subject(self, name: str, *, device: str = "cpu", dtype: str = "float32") -> Any:
        """Open one subject.  FixtureMissing, FixtureCorrupt; BadInput for an unknown name."""


def named(reference: str) -> list[SubjectInfo]:
    """The subjects meant by "system/subject", or else by "system/group" or "system/kind".

    BadInput if there are none.
    """
    system, _, name = reference.partition("/")
    subjects = load(system).SUBJECTS
    exact = [info for info in subjects if info.name == name]
    found = exact or [info for info in subjects if name in (info.group, info.kind)]
    if not found:
        names = ", ".join(info.name for info in subjects)
        sets = ", ".join(sorted({word for info in subjects for word in (info.group, info.kind)}))
        raise BadInput(f"no subject {name!r} of {system}; there are: {names}; or one of: {sets}")
    return found


def load(name: str) -> System:
    """The module of one system.  BadInput for an unknown name."""
    if name not in SYSTEMS:
        raise BadInput(f"unknown system {name!r}; there are: {', '.join(SYSTEMS)}")
    return cast(System, import_module(f"replications.{name}"))
