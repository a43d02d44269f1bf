"""Collecting claims: their subjects, markers and order."""

from __future__ import annotations

from inspect import signature
from typing import Any

import pytest

from replications.judging.claim import Claim, SubjectInfo
from replications.pytest_plugin.strict import claim_of
from replications.pytest_plugin.systems import (
    Registered,
    System,
    expects,
    groups_of,
    registered,
)

ARGUMENT = "subject"
_ids: pytest.StashKey[dict[str, str]] = pytest.StashKey()
_markers: pytest.StashKey[set[str]] = pytest.StashKey()
_names: pytest.StashKey[dict[str, list[str]]] = pytest.StashKey()


def parametrize(metafunc: pytest.Metafunc, claim: Claim) -> None:
    """Check a claim, and make an item for each subject of its system, if that is registered."""
    where, config = metafunc.definition.nodeid, metafunc.config
    if list(signature(metafunc.function).parameters) != [ARGUMENT]:
        raise pytest.Collector.CollectError(f"{where} must take exactly one argument, subject")
    first = config.stash.setdefault(_ids, {}).setdefault(claim.id, where)
    if first != where:
        raise pytest.Collector.CollectError(f"two claims have the id {claim.id!r}: also {first}")
    system = registered(metafunc.definition, config).get(claim.system)
    if system is not None:
        _check_subjects(claim, system)
        lesions = config.option.lesions
        infos = system.lesions() if lesions else system.subjects()
        chosen = [_param(system, i) for i in infos if expects(claim, i.group)]
        metafunc.parametrize(ARGUMENT, chosen)


def _check_subjects(claim: Claim, system: System) -> None:
    expected = set(groups_of(claim) or ())
    groups = {info.group for info in system.subjects()}
    if expected <= groups:
        return  # without the lesions, whose list may take torch to make
    groups |= {info.group for info in system.lesions()}
    unknown = sorted(expected - groups)
    if unknown:
        raise pytest.Collector.CollectError(
            f"claim {claim.id!r} expects of {unknown}, but {claim.system} has the groups "
            f"{sorted(groups)}"
        )


def _param(system: System, info: SubjectInfo) -> Any:
    return pytest.param(Registered(system, info), id=info.name)


def subject_of(item: pytest.Item) -> Registered | None:
    """The registered subject of an item, None if its subject comes from a fixture."""
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get(ARGUMENT) if callspec else None
    return found if isinstance(found, Registered) else None


def name_of(item: pytest.Item) -> str:
    """The name of the subject of an item: the id of its parameters, else "subject"."""
    callspec = getattr(item, "callspec", None)
    return str(callspec.id) if callspec else ARGUMENT


def mark(item: pytest.Item, claim: Claim) -> None:
    """Markers for -m: system, tier and kind.  -k knows a claim by its id too."""
    item.extra_keyword_matches.add(claim.id)
    chosen = subject_of(item)
    names = [claim.system, f"tier{claim.tier}"]
    if chosen is None:  # only opening it tells its kind
        item.config.stash.setdefault(_names, {}).setdefault(claim.id, []).append(name_of(item))
    else:
        names.append(chosen.info.kind)
    for name in names:
        _register(item.config, name)
        item.add_marker(name)
    if chosen is not None and item.config.pluginmanager.hasplugin("xdist"):
        # With --dist loadgroup one worker opens a subject for all its claims.
        group = pytest.mark.xdist_group(f"{chosen.info.system}/{chosen.info.name}")
        item.add_marker(group)


def _register(config: pytest.Config, marker: str) -> None:
    """Make a marker known, for --strict-markers."""
    known = config.stash.setdefault(_markers, set())
    if marker in known:
        return
    known.add(marker)
    if not any(line.split(":")[0] == marker for line in config.getini("markers")):
        config.addinivalue_line("markers", f"{marker}: claims of this system, tier or kind")


def arrange(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the claims of registered systems by subject, in the places they take among all items."""
    empty = [item for item in items if _has_no_lesion(item)]
    if empty:
        items[:] = [item for item in items if item not in empty]
        config.hook.pytest_deselected(items=empty)
    places = [i for i, item in enumerate(items) if subject_of(item) is not None]
    first: dict[tuple[str, str], int] = {}
    for place in places:
        first.setdefault(_key(items[place]), place)
    # Stable: the claims of one subject stay in the order of their files.
    ordered = sorted((items[place] for place in places), key=lambda item: first[_key(item)])
    for place, item in zip(places, ordered, strict=True):
        items[place] = item


def _has_no_lesion(item: pytest.Item) -> bool:
    """Whether --lesions leaves a claim without any subject."""
    lesions: bool = item.config.option.lesions
    return lesions and claim_of(item) is not None and subject_of(item) is None


def _key(item: pytest.Item) -> tuple[str, str]:
    chosen = subject_of(item)
    assert chosen is not None
    return chosen.info.system, chosen.info.name


def claims_in_order(config: pytest.Config) -> list[str]:
    """The ids of all claims that were collected, as they stand in their files."""
    none: dict[str, str] = {}
    ids: dict[str, str] = config.stash.get(_ids, none)
    return list(ids)


def names(config: pytest.Config, claim: Claim) -> list[str]:
    """The subjects that fixtures were found to provide for a claim, selected or not."""
    return config.stash.setdefault(_names, {}).get(claim.id, [])
