"""sweep --pairs: means with intervals, values of each pair, and what is kept for another start."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from replications import cli
from replications.analysis.statistics import bootstrap_mean, bootstrap_ratio, bootstrap_ratios
from replications.patching import pair_sweeps
from replications.patching.pair_store import Store
from replications.patching.prompt_pair import Question
from tests import terminal
from tests.model_folders import config, made, weights

Captured = pytest.CaptureFixture[str]

PAIRS = [
    (f"{first} to and Mary", f"{first} to and{other}")
    for first in (" and", " the", " John", " a")
    for other in (" Bob", " John")
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.csv"
    write(path, [(*pair, " the", " and") for pair in PAIRS])
    return path


def write(path: Path, rows: Sequence[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("clean", "corrupted", "answer", "against"), *rows])


def sweep(model: Path, pairs: Path, *options: str | Path) -> int:
    return cli.main(["sweep", "--model", str(model), "--pairs", str(pairs), *map(str, options)])


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def values_of(rows: list[dict[str, str]], column: str) -> Tensor:
    return torch.tensor([float(row[column]) for row in rows], dtype=torch.float64)


# ---- what is measured ---------------------------------------------------------------------------


def test_means_and_intervals_are_those_of_single_sweeps(
    model: Path, pairs: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "out"
    assert sweep(model, pairs, "--kind", "z", "--out", out) == 0
    said = " ".join(capsys.readouterr().out.split())
    singles, baselines = [], []
    for clean, corrupted in PAIRS:
        prompts = ["--clean", clean, "--corrupted", corrupted, "--answer", " the"]
        single = ["sweep", "--model", str(model), *prompts, "--against", " and", "--kind", "z"]
        assert cli.main([*single, "--out", str(tmp_path / "one")]) == 0
        singles.append(values_of(table(tmp_path / "one" / "sweep.csv"), "value"))
        words = " ".join(capsys.readouterr().out.split()).partition("baselines corrupted ")[2]
        baselines.append([float(words.split(", clean ")[0]), float(words.split()[2])])
    values, (base, source) = torch.stack(singles), torch.tensor(baselines).double().T
    rows = table(out / "sweep.csv")
    torch.testing.assert_close(values_of(rows, "value"), values.mean(0), rtol=0, atol=1e-5)
    effect = (values.mean(0) - base.mean()) / (source.mean() - base.mean())
    torch.testing.assert_close(values_of(rows, "effect"), effect, rtol=0, atol=2e-2)
    for i, row in enumerate(rows):
        mine = bootstrap_mean(values[:, i])
        spread = mine.high - mine.low
        assert float(row["value_low"]) == pytest.approx(mine.low, abs=0.1 * spread + 1e-6)
        assert float(row["value_high"]) == pytest.approx(mine.high, abs=0.1 * spread + 1e-6)
        assert row["pairs"] == "8"
    examples = table(out / "examples.csv")
    assert [row["pair"] for row in examples[:: len(rows)]] == [str(i) for i in range(2, 10)]
    torch.testing.assert_close(values_of(examples, "value").view(8, -1), values, rtol=0, atol=1e-5)
    assert f"8 of {pairs}" in said
    assert "95 % bootstrap interval" in said
    assert (out / "sweep.png").is_file()


def test_ratios_of_columns_are_resampled_as_single_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    above = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    below = 3 + torch.randn(20, generator=generator, dtype=torch.float64)
    found = bootstrap_ratios(above, below).rows()
    for i, each in enumerate(found):
        single = bootstrap_ratio(above[:, i], below)
        assert each == pytest.approx((single.mean, single.low, single.high), abs=1e-12)


def test_a_single_pair_has_no_interval(model: Path, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "one.csv"
    write(path, [(*PAIRS[0], " the", " and")])
    assert sweep(model, path, "--out", tmp_path / "out") == 0
    rows = table(tmp_path / "out" / "sweep.csv")
    assert {row["value_low"] for row in rows} == {""}
    assert "[" not in capsys.readouterr().out.partition("effect")[2]


def test_prompts_of_several_lengths_are_averaged_over_heads(
    model: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "pairs.jsonl"
    prompts = [PAIRS[0], (f" to{PAIRS[2][0]}", f" to{PAIRS[2][1]}")]
    names = ("clean", "corrupted")
    lines = [json.dumps(dict(zip(names, p, strict=True)) | {"answer": " the", "against": " and"})
             for p in prompts]  # fmt: skip
    path.write_text("\n".join(lines))
    assert sweep(model, path, "--kind", "z") == 0
    assert "2 of" in capsys.readouterr().out
    assert sweep(model, path) == 2
    err = capsys.readouterr().err
    assert f"{path}, line 2: " in err
    assert "positions can be averaged only if all prompts have as many" in err


def test_a_token_is_shown_where_all_prompts_have_it(
    model: Path, pairs: Path, tmp_path: Path
) -> None:
    assert sweep(model, pairs, "--out", tmp_path / "out") == 0
    tokens = [row["token"] for row in table(tmp_path / "out" / "sweep.csv") if row["layer"] == "0"]
    assert tokens == ["", " to", " and", ""]


def test_pairs_that_nearly_coincide_are_named(
    model: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "pairs.csv"
    far, near = (*PAIRS[0], " the", " and"), (" and to Bob", " and to John", " the", " and")
    write(path, [far, far])
    assert sweep(model, path, "--kind", "z") == 0
    assert "warning" not in capsys.readouterr().out
    write(path, [far, (PAIRS[0][1], PAIRS[0][0], " the", " and"), near])
    assert sweep(model, path, "--kind", "z") == 0
    assert "does each pair have the answers that belong to it?" in " ".join(
        capsys.readouterr().out.split()
    )
    write(path, [far, near, far])
    assert sweep(model, path, "--kind", "z") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "warning: in 1 of 3 pairs" in said
    assert "(line 3)" in said
    prompts = ["--clean", near[0], "--corrupted", near[1], "--answer", " the", "--against", " and"]
    assert cli.main(["sweep", "--model", str(model), *prompts]) == 0
    assert "warning: the clean and the corrupted prompt have nearly" in capsys.readouterr().out


def test_pairs_whose_mean_tells_nothing_apart_are_refused(
    model: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "pairs.csv"
    clean, corrupted = PAIRS[0]
    write(path, [(clean, corrupted, " the", " and"), (corrupted, clean, " the", " and")])
    assert sweep(model, path, "--kind", "z") == 2
    assert "so no place can carry a difference" in capsys.readouterr().err


# ---- what is kept -------------------------------------------------------------------------------


class Interrupted(KeyboardInterrupt):
    """As Ctrl-C, after some pairs."""


def stopping(after: int, monkeypatch: pytest.MonkeyPatch) -> list[Question]:
    """Interrupt the run once `after` pairs were kept; the questions that were measured."""
    ran: list[Question] = []
    measured, write = pair_sweeps._measured, Store.write

    def measure(question: Question, *rest: object) -> dict[str, Tensor]:
        ran.append(question)
        return measured(question, *rest)  # type: ignore[arg-type]

    def stop(self: Store, question: Question, values: Mapping[str, Tensor]) -> None:
        write(self, question, values)
        if len(ran) == after:
            raise Interrupted

    monkeypatch.setattr(pair_sweeps, "_measured", measure)
    monkeypatch.setattr(Store, "write", stop)
    return ran


def test_an_interrupted_sweep_goes_on(
    model: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert sweep(model, pairs, "--kind", "z", "--out", whole) == 0
    with monkeypatch.context() as patched:
        ran = stopping(3, patched)
        assert sweep(model, pairs, "--kind", "z", "--out", out) == 130
        assert len(ran) == 3
        assert not (out / "sweep.csv").exists()
        assert sweep(model, pairs, "--kind", "z", "--out", out) == 0
        assert len(ran) == 8
        assert sweep(model, pairs, "--kind", "z", "--out", out) == 0
        assert len(ran) == 8
    for name in ("sweep.csv", "examples.csv", "sweep.svg"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    capsys.readouterr()


def test_a_damaged_pair_is_measured_again_and_more_pairs_may_follow(
    model: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert sweep(model, pairs, "--out", out) == 0
    before = (out / "sweep.csv").read_bytes()
    next((out / "finished").iterdir()).write_bytes(b"short")
    ran = stopping(-1, monkeypatch)
    assert sweep(model, pairs, "--out", out) == 0
    assert (len(ran), (out / "sweep.csv").read_bytes()) == (1, before)
    rows = [(*pair, " the", " and") for pair in PAIRS]
    write(pairs, [*rows, (" Bob to and Mary", " Bob to and Bob", " the", " and")])
    assert sweep(model, pairs, "--out", out) == 0
    assert len(ran) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--kind", "attn_out"], "another: --kind resid_pre"),
        (["--into", "clean"], "another: --into corrupted"),
        (["--bos"], "another: --bos False"),
        (["--position", "3"], "another: --position None"),
    ],
)
def test_other_options_in_the_same_folder_are_refused(
    options: list[str], said: str, model: Path, pairs: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = tmp_path / "out"
    assert sweep(model, pairs, "--out", out) == 0
    before = (out / "sweep.csv").read_bytes()
    assert sweep(model, pairs, "--out", out, *options) == 2
    assert said in capsys.readouterr().err
    assert (out / "sweep.csv").read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [weights(lambda w: w | {"ln_f.bias": w["ln_f.bias"] + 1e-6}), config(layer_norm_epsilon=1e-4)],
    ids=["weights", "epsilon"],
)
def test_another_model_in_the_same_folder_is_refused(
    change: Callable[[Path], None], model: Path, pairs: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert sweep(model, pairs, "--out", tmp_path / "out") == 0
    other = made(tmp_path / "other", change)
    assert sweep(other, pairs, "--out", tmp_path / "out") == 2
    assert "that is not this one (another: the model)" in capsys.readouterr().err


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((" John", " John and", " the", " and"), "different numbers of tokens"),
        ((" John", " John", " the", " and"), "the same tokens"),
        ((" John", " Mary", " the park", " and"), "is 5 tokens"),
        ((" John", " Mary", " the", " the"), "both answers are ' the'"),
    ],
)
def test_a_pair_that_makes_no_sense_is_named_before_anything_is_run(
    row: tuple[str, ...], said: str, model: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "pairs.csv"
    write(path, [(*PAIRS[0], " the", " and"), row])
    assert sweep(model, path, "--kind", "z", "--out", tmp_path / "out") == 2
    out, err = capsys.readouterr()
    assert f"{path}, line 3: " in err
    assert said in err
    assert (out, (tmp_path / "out").exists()) == ("", False)


@pytest.mark.parametrize(
    "extra", [["--clean", "a"], ["--answer", " the"], ["--corrupted", "b"], ["--against", "x"]]
)
def test_pairs_and_prompts_do_not_go_together(extra: list[str], model: Path, pairs: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        sweep(model, pairs, *extra)
    assert caught.value.code == 2


def test_a_subject_can_be_asked_many_pairs_too(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "pairs.csv"
    clean = "14 23 48 NL 1 26 NL 14"
    rows = [(clean, f"14 23 48 NL {i} 26 NL 14", "26", "23") for i in (0, 2)]
    write(path, rows)
    assert cli.main(["sweep", "--subject", "list_update/seed0", "--pairs", str(path)]) == 0
    assert "\nBOS " not in capsys.readouterr().out


def test_the_bar_counts_pairs(model: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal.stream(terminal=True) as (stderr, shown):
        monkeypatch.setattr(sys, "stderr", stderr)
        assert sweep(model, pairs, "--kind", "z") == 0
        stderr.flush()
        assert "pair" in terminal.read(shown)
