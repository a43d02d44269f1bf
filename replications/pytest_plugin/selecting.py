"""The rows a run does not measure: those left to a thorough run, and those a ledger has already."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pytest

from replications.judging.ledger import Ledger
from replications.pytest_plugin import collecting
from replications.pytest_plugin.strict import claim_of

Key = tuple[str, str]
"""The claim and the subject of a row."""


@dataclass(frozen=True)
class Plan:
    """What a session sets out to do, known once it has collected.

    `order` has the ids of all its claims as they stand in their files, `rows` what it measures,
    and `left_out` what only a thorough run would measure.
    """

    order: list[str]
    rows: list[Key]
    left_out: list[Key]


_PLAN = pytest.StashKey[Plan]()


def choose(config: pytest.Config, items: list[pytest.Item], known: Ledger | None) -> None:
    """Deselect what is left to a thorough run or known already, and keep the plan of the rest."""
    have = {(row.claim, row.subject) for row in known.rows} if known else set()
    # Who names a test by its address wants that one.
    by_address = any("::" in str(argument) for argument in config.args)
    thorough = config.option.thorough or config.option.lesions or by_address
    kept, dropped = [], []
    rows: list[Key] = []
    left_out: list[Key] = []
    for item in items:
        row = _row(item)
        if row is None:
            kept.append(item)
        elif row in have:
            dropped.append(item)
        elif _costly(item) and not thorough:
            dropped.append(item)
            left_out.append(row)
        else:
            kept.append(item)
            rows.append(row)
    config.stash[_PLAN] = Plan(collecting.claims_in_order(config), rows, left_out)
    if dropped:
        items[:] = kept
        config.hook.pytest_deselected(items=dropped)


def _row(item: pytest.Item) -> Key | None:
    claim = claim_of(item)
    return None if claim is None else (claim.id, collecting.name_of(item))


def _costly(item: pytest.Item) -> bool:
    claim, subject = claim_of(item), collecting.subject_of(item)
    return claim is not None and subject is not None and claim.leaves_out(subject.info)


def take_plan(config: pytest.Config) -> dict[str, Any] | None:
    """The plan as JSON the first time this process is asked for it, then None.

    It travels with the first row, because a process that is killed says nothing at its end.
    """
    plan = config.stash.get(_PLAN, None)
    if plan is None:
        return None
    del config.stash[_PLAN]
    return asdict(plan)
