"""The subject a claim is judged on, from a fixture or from a registered system."""

from __future__ import annotations

from typing import Any

import pytest

from replications.errors import BadInput
from replications.judging.claim import Claim, SubjectInfo
from replications.judging.subject import Subject
from replications.pytest_plugin.collecting import ARGUMENT, name_of, subject_of
from replications.pytest_plugin.opening import opener
from replications.pytest_plugin.systems import groups_of


def info_of(item: pytest.Item, claim: Claim) -> SubjectInfo:
    """What is known of the subject of an item, without opening it."""
    chosen = subject_of(item)
    if chosen is not None:
        return chosen.info
    facts = _stated(item)
    name = name_of(item)
    group = facts.group or _group(claim, name)
    return SubjectInfo(claim.system, name, group, facts.kind, facts.gates, ())


def open_subject(item: pytest.Function, claim: Claim) -> Any:
    """The subject itself.  Raises what opening it raises; BadInput if it is in no known group."""
    chosen = subject_of(item)
    if chosen is not None:
        return opener(item.config).open(chosen)
    info, groups = info_of(item, claim), groups_of(claim)
    if groups is not None and info.group not in groups:
        raise BadInput(
            f"claim {claim.id!r} expects of {groups}, and the subject {info.name!r} is in none of "
            "these groups; let the fixture return Subject(value, group=...)"
        )
    return _stated(item).value


def _stated(item: pytest.Item) -> Subject:
    """What the fixture returned, with the facts it stated or those that are assumed."""
    value = getattr(item, "funcargs", {}).get(ARGUMENT)
    return value if isinstance(value, Subject) else Subject(value)


def _group(claim: Claim, name: str) -> str:
    """The group of a subject that states none: its name, the first part of it, or the only one."""
    groups = groups_of(claim) or []
    for group in (name, name.split("/")[0]):
        if group in groups:
            return group
    return groups[0] if len(groups) == 1 else ""
