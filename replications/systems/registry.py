"""The systems that exist, by name."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, cast

from replications.errors import BadInput

if TYPE_CHECKING:
    from replications.judging.claim import SubjectInfo
    from replications.plotting.pictures import Picture

SYSTEMS: tuple[str, ...] = ("brackets", "list_update", "ioi", "name_recall", "algorithmic")


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
    return cast(System, import_module(f"replications.systems.{name}"))


def pictures_of(system: str) -> tuple[Picture, ...]:
    """The pictures of one system.  BadInput for an unknown name, or without matplotlib."""
    found: tuple[Picture, ...] = _module(system).PICTURES
    return found


def not_drawn(system: str) -> dict[str, str]:
    """The plots of the document that are not drawn for any subject, each with the reason."""
    found: dict[str, str] = _module(system).NOT_DRAWN
    return found


def _module(system: str) -> Any:
    if system not in SYSTEMS:
        raise BadInput(f"unknown system {system!r}; there are: {', '.join(SYSTEMS)}")
    # First, for what it says where matplotlib is missing.
    import_module("replications.plotting.charts")
    name = f"replications.systems.{system}.figures"
    if find_spec(name) is None:
        raise BadInput(
            f"the system {system!r} has no figures.py, so nothing of it can be drawn: write one "
            "(docs/adding-a-system.md), or give report --no-figures"
        )
    return import_module(name)
