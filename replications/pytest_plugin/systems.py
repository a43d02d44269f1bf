"""A system as the plugin sees it: many subjects, each opened by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from replications.judging.claim import Claim, SubjectInfo


def _none() -> Sequence[SubjectInfo]:
    return ()


@dataclass(frozen=True)
class System:
    """One studied behaviour with its subjects, registered through `pytest_claims_systems`.

    `subjects` and `lesions` list what can be opened, `open` opens one subject by its name.  None of
    them is called before a claim of the system is collected.  `open` may raise FixtureMissing or
    Unsupported, which skips the claims of that subject.
    """

    name: str
    subjects: Callable[[], Sequence[SubjectInfo]]
    open: Callable[[str], Any]
    lesions: Callable[[], Sequence[SubjectInfo]] = _none

    def gating(self, claim: Claim) -> list[str]:
        """The names of the subjects that can fail a run with this claim."""
        return [i.name for i in self.subjects() if claim.gates(i) and expects(claim, i.group)]


@dataclass(frozen=True)
class Registered:
    """The parameter of a test item: one subject of a registered system."""

    system: System
    info: SubjectInfo


def expects(claim: Claim, group: str) -> bool:
    """Whether a claim expects anything of a group of subjects."""
    return claim.expectation_of(group) is not None


def groups_of(claim: Claim) -> list[str] | None:
    """The groups a claim names; None if it expects the same of every group."""
    from replications.judging.claim import EVERY_GROUP

    return None if EVERY_GROUP in claim.expect else list(claim.expect)


def registered(definition: pytest.Item, config: pytest.Config) -> dict[str, System]:
    """The systems that serve the folder of a test function, by name."""
    answers = definition.ihook.pytest_claims_systems(config=config)
    return {system.name: system for answer in answers for system in answer}
