"""The recorded outcomes of the claims of each test module, read once and checked."""

from __future__ import annotations

from inspect import isfunction
from pathlib import Path
from types import ModuleType

import pytest

from replications.errors import ReplicationError
from replications.judging import outcome
from replications.judging.claim import Claim
from replications.judging.outcome import Outcome
from replications.pytest_plugin.systems import System, expects, registered

Outcomes = dict[tuple[str, str], Outcome]
_READ: pytest.StashKey[dict[Path, Outcomes]] = pytest.StashKey()


def check(metafunc: pytest.Metafunc) -> None:
    """Read the outcomes beside the module of a claim.  CollectError for a file that is wrong."""
    config, path = metafunc.config, metafunc.definition.path
    read = config.stash.setdefault(_READ, {})
    if path in read:
        return
    read[path] = {}
    file = outcome.beside(path)
    systems = registered(metafunc.definition, config)
    try:
        found = outcome.read(file)
        subjects = {c.id: _subjects(c, systems.get(c.system)) for c in claims_in(metafunc.module)}
        outcome.check(found.values(), file, subjects)
    except ReplicationError as exc:
        raise pytest.Collector.CollectError(str(exc)) from exc
    read[path] = found


def claims_in(module: ModuleType) -> list[Claim]:
    """The claims that are written in a module."""
    # Functions only: other values, such as `pytest.mark`, invent the attribute or refuse it.
    made = [getattr(value, "claim", None) for value in vars(module).values() if isfunction(value)]
    return [claim for claim in made if isinstance(claim, Claim)]


def _subjects(claim: Claim, system: System | None) -> list[str] | None:
    """The subjects of a claim; None where only its fixture knows them."""
    if system is None:
        return None
    return [info.name for info in system.subjects() if expects(claim, info.group)]


def recorded(item: pytest.Item, claim: Claim, subject: str) -> Outcome | None:
    """What is recorded of a claim on a subject, None if nothing is."""
    return item.config.stash[_READ].get(item.path, {}).get((claim.id, subject))


def file_of(item: pytest.Item) -> str:
    """The module of an item, relative to the root of the run."""
    root = item.config.rootpath
    path = item.path
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
