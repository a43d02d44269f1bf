"""The systems the claims of this folder are about, and the settings they are measured with.

The files beside this one hold only measurements decorated with `@claim(...)`; the plugin
`replications.pytest_plugin` judges them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from replications.judging.claim import SubjectInfo
from replications.pytest_plugin import System, only_claims
from replications.systems import registry

from . import _settings


def pytest_addoption(parser: pytest.Parser) -> None:
    _settings.add(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    # One worker per subject: each opens its own model once.  An explicit --dist is left alone.
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "loadgroup"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With pytest-xdist's own, a run may never end once a worker was killed."""
    if config.option.dist != "loadgroup":
        return None
    from replications.pytest_plugin.scheduling import ClaimScheduling

    return ClaimScheduling(config, log)


def pytest_configure(config: pytest.Config) -> None:
    _settings.check(config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    _settings.pin(item.config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    return _settings.header(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    only_claims(metafunc)


def pytest_claims_systems(config: pytest.Config) -> list[System]:
    return [_system(name, config) for name in registry.SYSTEMS]


def pytest_claims_environment(config: pytest.Config) -> dict[str, Any]:
    return _settings.environment(config)


def _system(name: str, config: pytest.Config) -> System:
    """A system of the registry, imported when the first of its claims is collected."""

    def listed(which: str) -> tuple[SubjectInfo, ...]:
        found: tuple[SubjectInfo, ...] = getattr(registry.load(name), which, ())
        return found

    def opened(subject: str) -> Any:
        options = config.option
        return registry.load(name).subject(subject, device=options.device, dtype=options.dtype)

    return System(name, partial(listed, "SUBJECTS"), opened, partial(listed, "LESIONS"))
