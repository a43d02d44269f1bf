"""The benchmarks check what they time, skip what is not installed, and say where they ran."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import torch

from bench import compare, measure, peers, ratios, tables, times
from bench.machine import machine
from bench.measure import Rival, Setting
from bench.workloads import WORKLOADS, Case
from replications.patching._engine import gemm

TINY = Setting("tiny", "cpu", torch.float32, ("transformer_lens",), perf_counter)
ROW: dict[str, Any] = {
    "workload": "z-tutorial", "prompts": "B=1 T=15", "parts": 144, "share": 1, "backend": "mkl",
    "seconds": 0.5, "cold_seconds": 0.75, "flops": 100, "least_flops": 100, "chunks": 1,
    "limit_seconds": 0.4, "time_over_limit": 1.25, "gemm_gflops": 90.0, "error": 1e-6,
    "tools": {
        "transformer_lens": {
            "version": "3.9.0", "seconds": 100.0, "ratio": 200.0, "timed_parts": 5,
            "difference": 1e-6,
        },
        "pyvene": {"skipped": "pyvene is not installed"},
    },
}  # fmt: skip


def found(name: str) -> tuple[Case, Any]:
    case = TINY.case(WORKLOADS[name])
    return case, WORKLOADS[name].run(case)


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_workload_equals_plain_forward_passes_and_the_closed_formula(name: str) -> None:
    workload = WORKLOADS[name]
    case, outcome = found(name)
    parts = workload.parts(case.network)
    assert len(outcome.values) == len(parts)
    measure.check(workload, case, parts, outcome)
    measure.check_flops(workload, outcome, workload.least_flops(case))


def test_a_wrong_value_fails_before_anything_is_timed() -> None:
    workload = WORKLOADS["z-disjoint"]
    case, outcome = found("z-disjoint")
    wrong = replace(outcome, values=outcome.values + 1e-3)
    with pytest.raises(AssertionError, match=r"z-disjoint: 1\.0e-03 from"):
        measure.check(workload, case, workload.parts(case.network), wrong)


@pytest.mark.parametrize("factor", [0.5, 2])
def test_arithmetic_other_than_the_formula_fails(factor: float) -> None:
    workload = WORKLOADS["z-disjoint"]
    case, outcome = found("z-disjoint")
    wrong = replace(outcome, flops=int(outcome.flops * factor))
    with pytest.raises(AssertionError, match="by the formula"):
        measure.check_flops(workload, wrong, workload.least_flops(case))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "name",
    [
        "resid_pre-ioi",
        "z-disjoint",
        "z_by_pos-disjoint",
        "path-queries",
        "resid_pre-pythia-160m",
        "z_by_pos-llama-1b-8-of-16-layers",
    ],
)
def test_transformer_lens_finds_what_the_engine_finds(name: str) -> None:
    workload = WORKLOADS[name]
    case, outcome = found(name)
    rivals, skipped = measure.find_rivals(workload, case, TINY)
    assert not skipped
    parts = workload.parts(case.network)
    for rival in rivals:
        rival.turn(parts, outcome.values, random.Random(0), TINY)
        assert rival.difference < 1e-4


def test_time_of_a_few_parts_is_scaled_to_all_of_them() -> None:
    rival = Rival("fake", lambda parts: torch.zeros(len(parts)), a_round=2)
    ticks = iter([1.0, 4.0])
    setting = replace(TINY, clock=lambda: next(ticks))
    rival.turn(list(range(10)), torch.zeros(10), random.Random(0), setting)
    assert rival.seconds == [15.0]


def test_a_tool_that_finds_something_else_fails() -> None:
    rival = Rival("fake", lambda parts: torch.ones(len(parts)), a_round=2)
    with pytest.raises(AssertionError, match="fake differs from the engine by 1"):
        rival.turn([0, 1, 2], torch.zeros(3), random.Random(0), TINY)


def test_a_tool_that_is_not_installed_is_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers, "installed", lambda package: None)
    workload = WORKLOADS["z-disjoint"]
    setting = replace(TINY, tools=("nnsight", "pyvene"))
    rivals, skipped = measure.find_rivals(workload, setting.case(workload), setting)
    assert not rivals
    assert skipped == {
        "nnsight": "nnsight is not installed",
        "pyvene": "pyvene is not installed",
    }


@pytest.mark.parametrize("gate", [False, True])
def test_time_is_a_gate_only_where_it_was_asked_for(gate: bool) -> None:
    slow = ROW | {"time_over_limit": 1.6}
    setting = replace(TINY, gate_time=gate)
    if not gate:
        measure.check_time(slow, WORKLOADS["z-tutorial"], setting)
        return
    with pytest.raises(AssertionError, match=r"1\.60 times the limit"):
        measure.check_time(slow, WORKLOADS["z-tutorial"], setting)


def test_the_table_has_ratios_and_the_notes_say_how_they_came_about() -> None:
    header, _, line = tables.ratios([ROW]).splitlines()
    assert "transformer_lens 3.9.0" in header
    assert line.split() == [
        "z-tutorial",
        "144",
        "0.500",
        "s",
        "0.750",
        "s",
        "1.25",
        "1.000",
        "200x",
        "1e-06",
    ]
    assert tables.notes([ROW]) == [
        "transformer_lens: scaled from 5 random parts a round at B=1",
        "pyvene: pyvene is not installed",
        "limit: the formula's FLOPs at the rate of large matrix products, measured in every "
        "round: 90 to 90 GFLOP/s",
    ]


def saved(folder: Path, name: str, threads: int, row: dict[str, Any]) -> str:
    where = machine(size="tiny", device="cpu", dtype=torch.float32) | {"threads": threads}
    path = folder / name
    text = json.dumps({"machine_info": where, "benchmarks": [{"extra_info": row}]})
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_saved_runs_are_compared_with_one_column_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = {**ROW["tools"]["transformer_lens"], "version": "4.3.0", "ratio": 90.0}
    other = ROW | {"seconds": 0.25, "tools": {"transformer_lens": newer}}
    files = [saved(tmp_path, "a.json", 1, ROW), saved(tmp_path, "b.json", 2, other)]
    assert compare.main([*files, "--style", "github"]) == 0
    header, _, *lines = capsys.readouterr().out.splitlines()
    assert "1 thread," in header
    assert "2 threads," in header
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert cells == [
        ["z-tutorial", "144 at B=1 T=15", "engine", "0.500 s, 1.25 limit", "0.250 s, 1.25 limit"],
        ["", "", "transformer_lens 3.9.0", "200x", "-"],
        ["", "", "transformer_lens 4.3.0", "-", "90x"],
    ]


def test_the_table_of_the_models_is_that_of_their_run(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(__file__).parents[1] / "bench"
    assert compare.main([str(folder / "runs/cpu-1-models.json"), "--style", "github"]) == 0
    page = (folder / "README.md").read_text(encoding="utf-8")
    table = page.split("<!-- models -->\n")[1].split("<!-- /models -->")[0]
    assert table == capsys.readouterr().out


@pytest.mark.parametrize("content", ["{}", "no json", None])
def test_a_file_that_is_no_saved_run_is_named_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert compare.main([str(path)]) == 2
    assert (
        f"{path} is no saved run of `make bench ARGS=--benchmark-json=" in capsys.readouterr().err
    )


def test_the_machine_is_recorded_with_what_moves_its_times() -> None:
    where = machine(size="tiny", device="cpu", dtype=torch.float64)
    assert where["threads"] == torch.get_num_threads()
    assert where["dtype"] == "float64"
    assert where["gpu"] is None
    assert {"cpu", "cores", "torch", "backend", "simd", "load", "transformer_lens"} <= set(where)


# ---- make times ---------------------------------------------------------------------------------


def test_every_time_has_a_row() -> None:
    assert [(row.name, row.limit) for row in times.chosen([])] == [
        ("--help", 0.3),
        ("systems", 1.5),
        ("small", 1.4),
        ("busy", 1.0),
        ("claims", 90),
        ("report", 15),
        ("test", 120),
    ]


def test_rows_are_chosen_by_name_and_a_report_needs_claims() -> None:
    assert [row.name for row in times.chosen(["busy", "systems"])] == ["systems", "busy"]
    assert [row.name for row in times.chosen(["report"])] == ["claims", "report"]
    with pytest.raises(SystemExit, match=r"no row nothing; there are: --help, systems"):
        times.chosen(["nothing"])


@pytest.mark.parametrize(
    ("row", "found", "line"),
    [
        (
            times.Row("slow", 2, ()),
            times.Measured(2.5, 4.0, 0, "9.0\n"),
            ("slow", "2.5 s", "2 s", "no", "4.0 s", "0"),
        ),
        (
            times.Row("ratio", 1.4, (), ratio=True),
            times.Measured(60.0, 4.0, 0, "1.25\n"),
            ("ratio", "1.25 ×", "1.4 ×", "yes", "4.0 s", "0"),
        ),
        (
            times.Row("failed", 90, ()),
            times.Measured(1.0, 1.0, 2, ""),
            ("failed", "1.0 s", "90 s", "no", "1.0 s", "2"),
        ),
    ],
)
def test_a_row_says_whether_its_limit_was_kept(
    row: times.Row, found: times.Measured, line: tuple[str, ...]
) -> None:
    assert times.told(row, found) == line


def test_a_ratio_is_the_last_that_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gemm, "rate", lambda rounds: 1e12)
    ratios.main(["small", "--size", "tiny", "--rounds", "1"])
    assert float(capsys.readouterr().out) > 0
