"""The circuit command: what is measured, printed, written and refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from replications import cli
from replications.circuits import Edge, eap, patch_edge_sets
from replications.circuits.prompt_circuit import DRAWN, Method, find_circuit
from replications.circuits.reference import edge_set_logits
from replications.commands import circuit as command
from replications.errors import BadInput
from replications.lens.networks import as_network
from replications.patching.prompt_pair import Question, ask
from replications.plotting import charts
from replications.systems import list_update
from replications.systems.list_update import ListUpdateSubject
from tests import stand_in, terminal

Captured = pytest.CaptureFixture[str]

CLEAN, CORRUPTED = "14 23 48 NL 1 26 NL 14", "14 23 48 NL 2 26 NL 14"
MODEL = ["--subject", "list_update/seed1"]
PAIR = ["--clean", CLEAN, "--corrupted", CORRUPTED]


def run(*arguments: str | Path) -> int:
    return cli.main(["circuit", *map(str, arguments)])


def written(folder: Path) -> Any:
    return json.loads((folder / "circuit.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def question() -> Question:
    subject = list_update.subject("seed1")
    assert isinstance(subject, ListUpdateSubject)
    return ask(as_network(subject.lens), subject.prompting, CLEAN, CORRUPTED)


def differences(question: Question, patched: list[list[Edge]]) -> list[float]:
    """The logit difference with sets of edges patched, by one forward pass for each."""
    found = []
    for edges in patched:
        tokens = question.clean, question.corrupted
        logits = edge_set_logits(question.network, *tokens, set(edges))[0, question.at]
        found.append((logits[question.answer] - logits[question.against]).item())
    return found


# ---- what is measured ---------------------------------------------------------------------------


def test_the_json_has_what_one_forward_pass_for_each_edge_gives(
    question: Question, tmp_path: Path, capsys: Captured
) -> None:
    assert run(*MODEL, *PAIR, "--out", tmp_path) == 0
    found = written(tmp_path)
    edges = [Edge.parse(row["edge"]) for row in found["edges"]]
    assert len(edges) == 12
    clean, corrupted = differences(question, [[], edges])
    assert found["logit_difference"]["clean"] == pytest.approx(clean, abs=1e-3)
    assert found["logit_difference"]["corrupted"] == pytest.approx(corrupted, abs=1e-3)
    alone = differences(question, [[edge] for edge in edges])
    for row, value in zip(found["edges"], alone, strict=True):
        assert row["effect"] == pytest.approx(value - clean, abs=1e-3)
        assert row["share"] == pytest.approx((value - clean) / (corrupted - clean), abs=1e-4)
        assert row["kept"] == (abs(row["share"]) > 0.05)
    sizes = [abs(row["effect"]) for row in found["edges"]]
    assert sizes == sorted(sizes, reverse=True)
    kept = {edge for edge, row in zip(edges, found["edges"], strict=True) if row["kept"]}
    (value,) = differences(question, [[edge for edge in edges if edge not in kept]])
    share = (value - corrupted) / (clean - corrupted)
    assert found["circuit"] == {"edges": len(kept), "kept_share": pytest.approx(share, abs=1e-4)}
    said = " ".join(capsys.readouterr().out.split())
    assert f"circuit {len(kept)} of 12 edges, which alone give {value:.4g}" in said
    assert "measured logit(26) − logit(23), read at 8 14" in said
    assert "what the model says to the clean prompt" in said


@pytest.mark.parametrize("method", command.METHODS)
def test_every_method_finds_the_three_edges(method: str, tmp_path: Path, capsys: Captured) -> None:
    assert run(*MODEL, *PAIR, "--method", method, "--out", tmp_path, "--top", "2") == 0
    found = written(tmp_path)
    kept = {row["edge"] for row in found["edges"] if row["kept"]}
    assert {"embed -> 0.0.v", "0.0 -> 1.0.k", "1.0 -> logits"} <= kept
    assert found["effects"] == ("estimated" if method.startswith("eap") else "exact")
    table = capsys.readouterr().out.partition("\n\n")[2]
    assert len([line for line in table.splitlines() if "->" in line]) == 2
    assert ("estimated effect" in table) == method.startswith("eap")


def test_estimates_are_those_of_eap(question: Question) -> None:
    found = find_circuit(question, "eap")
    answers = torch.tensor([[question.answer, question.against]])
    tokens = question.clean, question.corrupted
    expected = eap(question.network, *tokens, answers=answers, at=question.at).effects()
    by_edge = {scored.edge: scored.effect for scored in found.edges}
    assert [by_edge[edge] for edge in found.found.edges] == pytest.approx(expected.tolist())


def test_a_threshold_decides_what_is_kept(question: Question) -> None:
    everything = find_circuit(question, threshold=0.0)
    assert everything.kept_share == pytest.approx(1, abs=1e-4)
    nothing = find_circuit(question, threshold=5.0)
    assert len(nothing.circuit) == 0
    assert nothing.kept_share == pytest.approx(0, abs=1e-6)
    answers = torch.tensor([[question.answer, question.against]])
    tokens = question.clean, question.corrupted
    sets = everything.circuit.patched[None]
    found = patch_edge_sets(question.network, *tokens, sets, answers=answers, at=question.at)
    assert everything.kept.circuit.item() == pytest.approx(found.values.item())


@pytest.mark.parametrize(("method", "threshold"), [("best", 0.05), ("exact", -1.0)])
def test_methods_and_thresholds_that_are_none(
    question: Question, method: Any, threshold: float
) -> None:
    with pytest.raises(BadInput, match=r"method 'best'|threshold -1"):
        find_circuit(question, method, threshold=threshold)


def test_the_methods_are_those_of_the_library() -> None:
    assert get_args(Method) == command.METHODS


def test_brackets_can_be_asked(capsys: Captured) -> None:
    prompts = ["--clean", "())(", "--corrupted", "()()"]
    assert run("--subject", "brackets/retrained", *prompts, "--method", "acdc") == 0
    said = capsys.readouterr().out
    assert "logit(unbalanced) − logit(balanced), read at 0 [start]" in said
    assert "of 100 edges" in said


def test_a_local_gpt2_can_be_asked(tmp_path: Path, capsys: Captured) -> None:
    for name, content in stand_in.files("gpt2-small").items():
        (tmp_path / name).write_bytes(content)
    prompts = ["--clean", "John gave Mary", "--corrupted", "Mary gave John"]
    answers = ["--answer", " John", "--against", " Mary", "--method", "eap"]
    assert run("--model", tmp_path, *prompts, *answers) == 0
    assert "logit(John) − logit(Mary)" in capsys.readouterr().out


# ---- files and progress -------------------------------------------------------------------------


def test_the_files_are_the_same_every_time(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        assert run(*MODEL, *PAIR, "--out", tmp_path / folder) == 0
    names = ["circuit.json", "circuit.png", "circuit.svg"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_picture_has_an_arrow_for_each_edge_of_the_circuit(question: Question) -> None:
    found = find_circuit(question)
    with charts.style():
        figure = found.figure()
    assert len(figure.axes[0].patches) == len(found.circuit) <= DRAWN
    names = {text.get_text() for text in figure.axes[0].texts}
    assert names == {"embed", "0.0", "1.0", "logits"}


def test_without_matplotlib_there_is_a_json_and_the_remedy(
    no_matplotlib: None, tmp_path: Path, capsys: Captured
) -> None:
    assert run(*MODEL, *PAIR, "--out", tmp_path) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["circuit.json"]
    assert "no picture: pictures need matplotlib" in capsys.readouterr().out


@pytest.mark.parametrize("in_terminal", [True, False], ids=["terminal", "pipe"])
@pytest.mark.parametrize("method", ["exact", "acdc"])
def test_progress_shows_on_a_terminal_only(
    in_terminal: bool, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with terminal.stream(terminal=in_terminal) as (stderr, shown):
        monkeypatch.setattr(sys, "stderr", stderr)
        assert run(*MODEL, *PAIR, "--method", method) == 0
        stderr.flush()
        said = terminal.read(shown)
    assert bool(said) == in_terminal


# ---- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*MODEL, "--clean", CLEAN, "--corrupted", "1 2"], "is not a prompt of this task"),
        ([*MODEL, "--clean", CLEAN, "--corrupted", CLEAN], "the two prompts are the same"),
        ([*MODEL, "--clean", CLEAN, "--corrupted", CORRUPTED, "--position", "1",
          "--answer", "1", "--against", "2"], "on both prompts, so no edge"),
        ([*MODEL, *PAIR, "--position", "9"], "position 9 is outside prompts of 9 tokens"),
        (["--subject", "ioi/none", *PAIR], "no subject 'none' of ioi"),
        (["--model", "/nowhere", *PAIR], "/nowhere"),
        ([*MODEL, *PAIR, "--out", "/dev/null/x"], "cannot make the folder /dev/null/x"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_one_line(arguments: list[str], said: str, capsys: Captured) -> None:
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert err.count("\n") == 1
    assert out == ""


@pytest.mark.parametrize(
    "extra",
    [[], [*MODEL, "--method", "best"], [*MODEL, "--threshold", "-1"], [*MODEL, "--top", "x"]],
)
def test_wrong_usage_is_status_2(extra: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*PAIR, *extra)
    assert caught.value.code == 2
