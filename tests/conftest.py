"""Rules for every test: warnings are errors, and nothing outside this machine is reached."""

from __future__ import annotations

import gc
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from replications import plotting
from replications.judging.garbage import RARELY, leave_garbage_at_exit
from tests import sampling

HERE = Path(__file__).parent
LOOPBACK = ("127.0.0.1", "::1", "localhost")

# Deprecations inside other people's packages are theirs to fix; ours are errors.
WARNINGS = (
    "error",
    "ignore::DeprecationWarning:transformer_lens",
    "ignore::DeprecationWarning:transformers",
    "ignore::FutureWarning:transformers",
    "ignore::DeprecationWarning:torch",
)


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            # First in line, so that a test's own filterwarnings mark still wins.
            item.add_marker(pytest.mark.filterwarnings(*WARNINGS), append=False)
    sampling.leave_out(items)


def pytest_collection_finish() -> None:
    """Let the garbage collector run rarely, and skip what stays for good: modules and tests.

    With Python's own thresholds it takes a twelfth of the time of all tests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*RARELY)
    leave_garbage_at_exit()


@pytest.hookimpl(tryfirst=True)  # Hypothesis asks the collector who refers to what
def pytest_sessionfinish() -> None:
    gc.unfreeze()


@pytest.fixture
def no_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where matplotlib is not installed."""
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in ("charts", "encoding"):
        monkeypatch.delattr(plotting, name, raising=False)
        monkeypatch.delitem(sys.modules, f"replications.plotting.{name}", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small matrices: two threads only wait for each other, far longer when cores are busy."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Refuse every address but loopback, and switch automatic downloads off."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in (*LOOPBACK, None):
            raise AssertionError(f"a test tried to look up {host!r}")
        return look_up(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        patch.setenv("REPLICATIONS_OFFLINE", "1")
        yield
