"""Makes pytest the judge: subjects, options, verdicts, the closing table and the ledger.

The files beside this one hold only measurements decorated with `@claim(...)`.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from inspect import signature
from types import TracebackType
from typing import Any, cast

import pytest

from claims import _options, _session
from replications.errors import FixtureMissing, ReplicationError, Unsupported
from replications.judging.claim import Claim, SubjectInfo
from replications.judging.ledger import describe
from replications.judging.verdict import GATING_FAILURES, Row, judge
from replications.systems import registry

PROPERTY = _session.PROPERTY
_ids: pytest.StashKey[dict[str, str]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    _options.add(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    # One worker per subject: each opens its own model once.  An explicit --dist is left alone.
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "loadgroup"


def pytest_configure(config: pytest.Config) -> None:
    for name in registry.SYSTEMS:
        config.addinivalue_line("markers", f"{name}: claims of this system")
    for name in ("tier1", "tier2", "original", "retrained", "toy"):
        config.addinivalue_line("markers", f"{name}: see CONTRIBUTING.md")
    if not config.pluginmanager.hasplugin("xdist"):
        config.addinivalue_line("markers", "xdist_group(name): unused without pytest-xdist")
    config.stash[_ids] = {}
    _options.apply(config)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_session.Board(config), "claims-board")


def pytest_report_header(config: pytest.Config) -> list[str]:
    return _options.header(config)


# ---- collection: one item per claim and subject ------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    claim = _claim_of(metafunc)
    module = registry.load(claim.system)
    lesions = metafunc.config.getoption("lesions")
    everyone = tuple(module.SUBJECTS) + tuple(getattr(module, "LESIONS", ()))
    unknown = claim.unknown_groups(info.group for info in everyone)
    if unknown:
        raise pytest.Collector.CollectError(
            f"claim {claim.id!r} expects of {unknown}, but {claim.system} has the groups "
            f"{sorted({info.group for info in everyone})}"
        )
    gating = _gating(claim, module.SUBJECTS)
    if claim.holds_in is not None and claim.holds_in >= len(gating):
        raise pytest.Collector.CollectError(
            f"claim {claim.id!r}: holds_in={claim.holds_in}, but {len(gating)} subjects gate; "
            "leave it out where it must hold in all"
        )
    infos = getattr(module, "LESIONS", ()) if lesions else module.SUBJECTS
    chosen = [_param(claim, info) for info in infos if claim.expectation_of(info.group)]
    metafunc.parametrize("subject", chosen, indirect=True, scope="session")


def _claim_of(metafunc: pytest.Metafunc) -> Claim:
    claim = getattr(metafunc.function, "claim", None)
    where = metafunc.definition.nodeid
    if not isinstance(claim, Claim):
        raise pytest.Collector.CollectError(f"{where} is in claims/ and has no @claim(...)")
    if list(signature(metafunc.function).parameters) != ["subject"]:
        raise pytest.Collector.CollectError(f"{where} must take exactly one argument, subject")
    if claim.system not in registry.SYSTEMS:
        raise pytest.Collector.CollectError(
            f"claim {claim.id!r}: no system {claim.system!r}, there are {list(registry.SYSTEMS)}"
        )
    first = metafunc.config.stash[_ids].setdefault(claim.id, where)
    if first != where:
        raise pytest.Collector.CollectError(f"two claims have the id {claim.id!r}: also {first}")
    return claim


def _gating(claim: Claim, infos: Iterable[SubjectInfo]) -> list[str]:
    """The names of the subjects that can fail a run with this claim."""
    return [info.name for info in infos if info.gates and claim.expectation_of(info.group)]


def _param(claim: Claim, info: SubjectInfo) -> Any:
    names = (claim.system, f"tier{claim.tier}", info.kind)
    group = pytest.mark.xdist_group(f"{claim.system}/{info.name}")
    marks = [*(getattr(pytest.mark, name) for name in names), group]
    return pytest.param(info, marks=marks, id=info.name)


def pytest_itemcollected(item: pytest.Item) -> None:
    if _is_claim(item):  # -k knows a claim by its id too
        item.extra_keyword_matches.add(item.function.claim.id)  # type: ignore[attr-defined]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if _is_claim(item)]
    empty = [item for item in ours if _info(item) is None]  # no lesion meets this claim
    if empty:
        items[:] = [item for item in items if item not in empty]
        config.hook.pytest_deselected(items=empty)
    # Stable: subjects one after the other, claims of one subject in the order of the file.
    first: dict[Any, int] = {}
    for item in items:
        first.setdefault(_place(item), len(first))
    items.sort(key=lambda item: first[_place(item)])


def _is_claim(item: pytest.Item) -> bool:
    return isinstance(getattr(getattr(item, "function", None), "claim", None), Claim)


def _info(item: pytest.Item) -> SubjectInfo | None:
    info = item.callspec.params.get("subject") if hasattr(item, "callspec") else None
    return info if isinstance(info, SubjectInfo) else None


def _place(item: pytest.Item) -> Any:
    info = _info(item) if _is_claim(item) else None
    return (info.system, info.name) if info else None


# ---- running: open once, judge, record ---------------------------------------------------------


@dataclass(frozen=True)
class Opened:
    """A subject, or what opening it raised; never tried twice."""

    info: SubjectInfo
    subject: Any
    problem: Exception | None
    traceback: TracebackType | None
    seconds: float


@pytest.fixture(scope="session")
def subject(request: pytest.FixtureRequest) -> Iterator[Opened]:
    """The subject the claim is measured on, freed after its last claim."""
    info: SubjectInfo = request.param
    options, started = request.config.option, time.perf_counter()
    opened: Any = None
    problem: Exception | None = None
    try:
        opened = registry.load(info.system).subject(
            info.name, device=options.device, dtype=options.dtype
        )
    except Exception as exc:
        problem = exc
    traceback = problem.__traceback__ if problem else None
    yield Opened(info, opened, problem, traceback, time.perf_counter() - started)
    del opened
    gc.collect()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not _is_claim(pyfuncitem):
        return None
    claim: Claim = pyfuncitem.function.claim  # type: ignore[attr-defined]
    opened = cast(Opened, pyfuncitem.funcargs["subject"])
    options = pyfuncitem.config.option
    started, problem = time.perf_counter(), None
    try:
        if opened.problem is not None:
            raise opened.problem.with_traceback(opened.traceback)
        row = judge(
            claim,
            opened.info,
            opened.subject,
            controls=not options.no_controls,
            lesion=options.lesions,
        )
    except Exception as exc:
        row = Row.for_exception(claim, opened.info, exc, time.perf_counter() - started)
        problem = exc
    _record(pyfuncitem, claim, row)
    if problem is not None:
        _raise(problem, row)
    if row.status in GATING_FAILURES:
        pytest.fail(_message(claim, row), pytrace=False)
    return True


def _record(item: pytest.Function, claim: Claim, row: Row) -> None:
    """Attach the row to the item, in types that reach the controller of pytest-xdist."""
    gating = _gating(claim, registry.load(claim.system).SUBJECTS)
    fixtures = next((i.fixtures for i in [_info(item)] if i), ())
    record = {
        "row": asdict(row),
        "claim": describe(claim, gating),
        "order": [*item.config.stash[_ids].keys()].index(claim.id),
        "fixtures": list(fixtures),
    }
    item.user_properties.append((PROPERTY, record))


def _raise(exc: Exception, row: Row) -> None:
    """Tell pytest of a claim that could not be judged."""
    if isinstance(exc, (FixtureMissing, Unsupported)):
        pytest.skip(row.reason)
    if isinstance(exc, ReplicationError) and exc.__cause__ is None:
        pytest.fail(f"{row.claim} on {row.subject}: {row.reason}", pytrace=False)
    raise exc


def _message(claim: Claim, row: Row) -> str:
    reached = "its control was accepted" if row.status == "vacuous" else "it does not hold"
    return f"{row.claim} on {row.subject}: {reached}\n  {claim.says}\n  {row.reason}"


def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    record = _session.record_of(report)
    if record is None:
        return None
    row = Row.from_json(record["row"])
    if row.status == "observed":
        held = "holds" if row.holds else "does not hold"
        word = "control accepted" if row.holds and row.control_accepted else held
        return "observed", "o", f"OBSERVED ({word})"
    if row.status == "unsupported":
        return "unsupported", "u", "UNSUPPORTED"
    return None
