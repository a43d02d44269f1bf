"""One workload measured: checked first, then the engine and its rivals timed in turns.

A round times every rival on a few random parts, the rate of large matrix products, and the engine
on all parts, one after the other in one process: a machine that slows down slows them all.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from bench import peers
from bench.models import random_model
from bench.workloads import Attribution, Case, Outcome, PathPatching, Sweep, Workload
from replications.errors import Unsupported
from replications.models.huggingface import from_pretrained
from replications.patching._engine import gemm

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-10}
"""Largest error, of metrics of order one."""
TOOL_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-6}
"""Of other tools: TransformerLens gathers its values in float32."""
SLOPE_TOLERANCE = 1e-3
"""Of attribution patching, against a small step."""
CHECKED = 4
"""Parts compared with plain forward passes: those of the extreme values, and random ones."""
CHUNKED_FLOPS = 1.1
"""FLOPs over the closed formula, where several chunks repeat unpatched runs."""
GRAPHS = "CUDA graphs"
"""The engine's name beside itself."""
TIME_GATE = 1.5
"""Time over what the arithmetic needs, with --bench-gate-time."""


@dataclass(frozen=True)
class Setting:
    """What a run of the benchmarks is about."""

    size: str
    device: str
    dtype: torch.dtype
    tools: tuple[str, ...]
    clock: Callable[[], float]
    gate_time: bool = False

    def case(self, workload: Workload) -> Case:
        """With a network of its own, so that the engine's first call packs its weights."""
        return Case.of(from_pretrained(self.model(workload)), workload.prompts)

    def model(self, workload: Workload) -> Any:
        """The workload's model in transformers, at this size."""
        return random_model(workload.model, self.size, device=self.device, dtype=self.dtype)

    def rounds(self, workload: Workload) -> int:
        return 2 if self.size == "tiny" else workload.rounds

    def timed(self, run: Callable[[], Any]) -> tuple[float, Any]:
        """Seconds until the device has nothing left to do, and what came out."""
        start = self.clock()
        found = run()
        if self.device.startswith("cuda"):
            torch.cuda.synchronize(self.device)
        return self.clock() - start, found

    def rate(self) -> float | None:
        """FLOP/s of large products; None where they are no limit (tiny models, float64)."""
        if self.size == "tiny" or self.dtype != torch.float32:
            return None
        return gemm.rate(device=self.device, rounds=1, clock=self.clock)


@dataclass
class Rival:
    """A tool, or the exact sweep beside an estimate, on parts drawn anew in every round."""

    name: str
    run: Callable[[Sequence[Any]], Tensor]
    """The mean metric of some parts, [part]"""
    a_round: int | None
    """Parts timed in a round, None for all"""
    version: str | None = None
    exact: bool = True
    """Whether its values must be the engine's"""
    seconds: list[float] = field(default_factory=list)
    """One entry a round, for all parts: scaled from those that were timed"""
    difference: float = 0.0

    def turn(
        self, parts: Sequence[Any], expected: Tensor, draw: random.Random, setting: Setting
    ) -> None:
        """Time one round.  AssertionError if its values are not the expected ones."""
        which = list(range(len(parts)))
        if self.a_round is not None:
            which = draw.choices(which, k=self.a_round)
        some = [parts[i] for i in which]
        seconds, values = setting.timed(lambda: self.run(some))
        self.seconds.append(seconds * len(parts) / len(some))
        difference = float((values.cpu() - expected[which]).abs().max())
        self.difference = max(self.difference, difference)
        assert not self.exact or difference <= TOOL_TOLERANCE[setting.dtype], (
            f"{self.name} differs from the engine by {difference:.1e}"
        )


Rivals = tuple[list[Rival], dict[str, str]]
"""Those that can do a workload, and why others cannot."""


def measure(
    benchmark: Any,
    workload: Workload,
    setting: Setting,
    find: Callable[[Any, Case, Setting], Rivals] | None = None,
) -> dict[str, Any]:
    """Check, time and gate one workload; returns its row of the table, in JSON types.

    `find` gives the rivals of a workload that `find_rivals` does not know.
    """
    case = setting.case(workload)
    parts = workload.parts(case.network)
    cold, first = setting.timed(lambda: workload.run(case))
    error = check(workload, case, parts, first)
    least = workload.least_flops(case)
    check_flops(workload, first, least)
    rivals, skipped = (find or find_rivals)(workload, case, setting)
    draw = random.Random(0)
    times: list[float] = []
    rates: list[float | None] = []

    def others() -> None:
        for rival in rivals:
            rival.turn(parts, first.values, draw, setting)
        rates.append(setting.rate())

    def engine() -> None:
        times.append(setting.timed(lambda: workload.run(case))[0])

    benchmark.pedantic(engine, setup=others, rounds=setting.rounds(workload))
    flops = least or first.flops
    limits = [flops / rate if rate and flops else None for rate in rates]
    row = {
        "workload": workload.name,
        "prompts": str(workload.prompts),
        "parts": len(parts),
        "share": workload.share if isinstance(workload, Sweep) else 1,
        "backend": first.backend or None,
        "seconds": statistics.median(times),
        "cold_seconds": cold,
        "flops": first.flops or None,
        "least_flops": least,
        "chunks": first.chunks,
        "limit_seconds": _median(limits),
        "time_over_limit": _median(
            [t / limit if limit else None for t, limit in zip(times, limits, strict=True)]
        ),
        "gemm_gflops": _median([rate and rate / 1e9 for rate in rates]),
        "error": error,
        "tools": {rival.name: _told(rival, times) for rival in rivals}
        | {name: {"skipped": reason} for name, reason in skipped.items()},
    }
    benchmark.extra_info.update(row)
    check_time(row, workload, setting)
    return row


def _told(rival: Rival, times: Sequence[float]) -> dict[str, Any]:
    """Of a rival: time for all parts, and how many times the engine's, the median of rounds."""
    return {
        "version": rival.version,
        "seconds": statistics.median(rival.seconds),
        "ratio": statistics.median(r / t for r, t in zip(rival.seconds, times, strict=True)),
        "timed_parts": rival.a_round,
        "difference": rival.difference if rival.exact else None,
    }


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


# -------------------------------------------------------------------- gates
def check(workload: Workload, case: Case, parts: Sequence[Any], found: Outcome) -> float:
    """The engine's largest error against plain forward passes.  AssertionError if too large."""
    values = found.values
    some = {int(values.argmax()), int(values.argmin())}
    some |= set(random.Random(0).sample(range(len(parts)), min(CHECKED, len(parts))))
    error = max(abs(float(workload.plain(case, parts[i]) - values[i])) for i in some)
    estimate = isinstance(workload, Attribution)
    allowed = SLOPE_TOLERANCE if estimate else TOLERANCE[case.network.dtype]
    assert error <= allowed, f"{workload.name}: {error:.1e} from one forward pass for each part"
    return error


def check_flops(workload: Workload, found: Outcome, least: int | None) -> None:
    """Counted FLOPs against the closed formula, which counts the unpatched runs once."""
    if least is None:
        return
    most = least if found.chunks <= 1 else least * CHUNKED_FLOPS
    assert least <= found.flops <= most, (
        f"{workload.name}: {found.flops} FLOPs in {found.chunks} chunks, and {least} by the formula"
    )


def check_time(row: dict[str, Any], workload: Workload, setting: Setting) -> None:
    """Only where it was asked for: a shared machine fails it by what else it does."""
    over = row["time_over_limit"]
    if setting.gate_time and isinstance(workload, Sweep) and over is not None:
        assert over <= TIME_GATE, f"{workload.name}: {over:.2f} times the limit, over {TIME_GATE}"


# -------------------------------------------------------------------- rivals
def find_rivals(workload: Workload, case: Case, setting: Setting) -> Rivals:
    """Those that can do the workload here, warmed up, and why the others cannot."""
    if isinstance(workload, Attribution):
        return [_exact_sweep(workload, case)], {}
    model = setting.model(workload)
    found, skipped = [], {}
    if setting.device.startswith("cuda") and isinstance(workload, Sweep):
        try:
            found.append(_recorded(workload, case))
        except Unsupported as reason:
            skipped[GRAPHS] = str(reason)
    for package in setting.tools:
        try:
            peer = peers.tool(package)(model, case)
            run = _parts_by(peer, workload)
            run(workload.parts(case.network)[:1])
        except Unsupported as reason:
            skipped[package] = str(reason)
        else:
            found.append(Rival(package, run, peer.parts_a_round, peers.installed(package)))
    return found, skipped


def _parts_by(peer: peers.Peer, workload: Workload) -> Callable[[Sequence[Any]], Tensor]:
    if isinstance(workload, PathPatching):
        return lambda parts: peer.paths(workload, parts)
    return peer.sweep


def _recorded(workload: Sweep, case: Case) -> Rival:
    def run(parts: Sequence[Any]) -> Tensor:
        return workload.swept(case, cuda_graphs=True).values

    for _ in range(2):  # the second time is recorded
        run([])
    return Rival(GRAPHS, run, None)


def _exact_sweep(workload: Attribution, case: Case) -> Rival:
    def run(parts: Sequence[Any]) -> Tensor:
        return workload.exact.run(case).values

    run([])
    return Rival("exact sweep", run, None, exact=False)
