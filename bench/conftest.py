"""Options of the benchmarks, the machine in saved runs, and the table of ratios at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from bench import machine, peers, tables
from bench.measure import Setting
from bench.models import SIZES

ROWS = pytest.StashKey[list[dict[str, Any]]]()
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("workloads")
    group.addoption("--bench-shape", choices=SIZES, help="default full; tiny if not timed")
    group.addoption("--bench-device", default="cpu", help="default %(default)s")
    group.addoption("--bench-dtype", default="float32", choices=DTYPES, help="default %(default)s")
    group.addoption("--bench-threads", type=int, help="default: all that torch takes")
    group.addoption(
        "--bench-tools", default=",".join(peers.MODULES), help="to compare with: %(default)s"
    )
    group.addoption(
        "--bench-clock",
        choices=CLOCKS,
        default="wall",
        help="cpu: of all threads, for a machine that does other things too; default %(default)s",
    )
    group.addoption(
        "--bench-gate-time",
        action="store_true",
        help="fail sweeps over 1.5 times the limit; only on a machine that does nothing else",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []
    _tools(config)
    device = config.getoption("--bench-device")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise pytest.UsageError(f"--bench-device {device}: this torch sees no GPU; give cpu")
    threads = config.getoption("--bench-threads")
    if threads is not None:
        torch.set_num_threads(threads)


def _size(config: pytest.Config) -> str:
    untimed = config.getoption("benchmark_disable")
    return config.getoption("--bench-shape") or ("tiny" if untimed else "full")


def _tools(config: pytest.Config) -> tuple[str, ...]:
    tools = tuple(filter(None, config.getoption("--bench-tools").split(",")))
    unknown = sorted(set(tools) - set(peers.MODULES))
    if unknown:
        raise pytest.UsageError(
            f"--bench-tools {','.join(unknown)}: there are {', '.join(peers.MODULES)}"
        )
    return tools


@pytest.fixture(scope="session")
def setting(request: pytest.FixtureRequest) -> Setting:
    config = request.config
    return Setting(
        size=_size(config),
        device=config.getoption("--bench-device"),
        dtype=DTYPES[config.getoption("--bench-dtype")],
        tools=_tools(config),
        clock=CLOCKS[config.getoption("--bench-clock")],
        gate_time=config.getoption("--bench-gate-time"),
    )


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For what the claims do, which run on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def table(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """Rows of the table at the end."""
    return request.config.stash[ROWS]


def pytest_benchmark_update_machine_info(
    config: pytest.Config, machine_info: dict[str, Any]
) -> None:
    machine_info |= machine.machine(
        size=_size(config),
        device=config.getoption("--bench-device"),
        dtype=DTYPES[config.getoption("--bench-dtype")],
    ) | {"clock": config.getoption("--bench-clock")}


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = config.stash[ROWS]
    if not rows:
        return
    terminalreporter.section("engine, and how many times longer others take")
    terminalreporter.write_line(tables.ratios(rows))
    for note in tables.notes(rows):
        terminalreporter.write_line(note)
