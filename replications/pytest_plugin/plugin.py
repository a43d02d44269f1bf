"""The hooks pytest calls: the module that the entry point loads.

It is loaded in every pytest session of an environment where the package is installed, so it
imports the standard library and pytest only; the rest follows with the first claim.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from replications.pytest_plugin import hookspecs, options
from replications.pytest_plugin.opening import opener
from replications.pytest_plugin.records import record_of
from replications.pytest_plugin.session import Board
from replications.pytest_plugin.strict import claim_of


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Specify the hooks for claims."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the plugin."""
    options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options.  One process, which sees every report, gathers the rows."""
    options.check(config)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Board(config), "claims-board")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One item for each claim and subject."""
    claim = claim_of(metafunc)
    if claim is not None:
        from replications.pytest_plugin import collecting, outcomes

        collecting.parametrize(metafunc, claim)
        outcomes.check(metafunc)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Markers of a claim, and its id as a keyword."""
    claim = claim_of(item)
    if claim is not None:
        from replications.pytest_plugin import collecting

        collecting.mark(item, claim)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Claims of one subject follow one another, so that it is opened once."""
    if any(claim_of(item) for item in items):
        from replications.pytest_plugin import collecting, resuming, selecting

        collecting.arrange(config, items)
        selecting.choose(config, items, resuming.known(config))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Judge a claim in place of calling the test function."""
    claim = claim_of(pyfuncitem)
    if claim is None:
        return None
    from replications.pytest_plugin import judging

    judging.run(pyfuncitem, claim)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A claim whose fixture skips or fails has a row too."""
    claim = claim_of(item)
    if claim is not None and call.when == "setup" and call.excinfo is not None:
        from replications.pytest_plugin import judging

        judging.record_setup(item, claim, call.excinfo.value)
    return (yield)


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """The word and letter of a row that neither passed nor failed."""
    record = record_of(report)
    if record is None:
        return None
    from replications.pytest_plugin import judging

    return judging.word(record)


@pytest.hookimpl(tryfirst=True)  # Hypothesis asks the collector who refers to what
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let go of the last subject."""
    opener(session.config).finish()
