"""The figures command: which subjects, what is written where, and what is said of the rest."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from replications import fixtures
from replications.commands import figures
from replications.errors import BadInput, Unsupported
from replications.plotting.pictures import FORMATS, CannotDraw, picture
from replications.systems.name_recall.figures import NOT_DRAWN
from replications.systems.registry import SYSTEMS, load

TOY = "name_recall/toy/seed0"
DRAWN: list[str] = []


@picture("A line", "It goes up.")
def a_line(subject: Any) -> Figure:
    DRAWN.append(subject.name)
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([0, 1])
    return figure


@picture("Nothing", "There is none.")
def nothing(subject: Any) -> Figure:
    raise CannotDraw("this model has one layer")


@picture("Too old", "Another version shows it.")
def too_old(subject: Any) -> Figure:
    raise Unsupported("this version has no\n such place")


@picture("Interrupted", "Somebody presses Ctrl-C.")
def interrupted(subject: Any) -> Figure:
    raise KeyboardInterrupt


def use(monkeypatch: pytest.MonkeyPatch, *pictures: Any) -> None:
    """Let name_recall have these pictures alone."""
    DRAWN.clear()
    monkeypatch.setattr("replications.systems.name_recall.figures.PICTURES", pictures)


def run(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    figures.add(parser.add_subparsers())
    args = parser.parse_args(["figures", *map(str, arguments)])
    return int(args.run(args))


def index(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    return found


def written(folder: Path) -> Sequence[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_pictures_lie_by_subject_beside_an_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, a_line, nothing, too_old)
    assert run(TOY, "--out", tmp_path / "new") == 0
    paths = [f"{TOY}/a-line.{form}" for form in FORMATS]
    assert written(tmp_path / "new") == ["figures.json", *paths]
    found = index(tmp_path / "new")
    who = {"system": "name_recall", "subject": "toy/seed0", "kind": "toy"}
    info = next(i for i in load("name_recall").SUBJECTS if i.name == "toy/seed0")
    digests = {name: fixtures.digest(name) for name in info.fixtures}
    assert len(digests) == 2
    assert found["schema"] == 1
    assert found["subjects"] == [{**who, "fixtures": digests, "why_not": ""}]
    assert found["pictures"][0] == {
        **who, "name": "a-line", "title": "A line", "says": "It goes up.",
        "files": paths, "why_not": "",
    }  # fmt: skip
    assert [(p["files"], p["why_not"]) for p in found["pictures"][1:]] == [
        ([], "this model has one layer"),
        ([], "this version has no such place"),
    ]
    assert [entry["plot"] for entry in found["not_drawn"]] == list(NOT_DRAWN)
    said = capsys.readouterr()
    assert said.err == ""  # no bar where nobody watches
    lines = said.out.splitlines()
    assert lines[0] == f"not drawn: {TOY} nothing: this model has one layer"
    assert lines[2].startswith("not drawn: name_recall: ")
    assert lines[-2] == "1 drawn of 1 subjects; 2 not drawn, 1 for no subject; 0 not reached"
    assert lines[-1] == f"The list is {tmp_path / 'new' / 'figures.json'}"


@pytest.mark.slow
def test_one_format_and_the_same_bytes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, a_line)
    for folder in ("first", "again"):
        assert run(TOY, "--out", tmp_path / folder, "--format", "svg") == 0
    contents = [
        {name: (tmp_path / folder / name).read_bytes() for name in written(tmp_path / folder)}
        for folder in ("first", "again")
    ]
    assert list(contents[0]) == ["figures.json", f"{TOY}/a-line.svg"]
    assert contents[0] == contents[1]


def test_a_subject_that_cannot_be_reached_is_a_line_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, a_line)
    monkeypatch.delenv("REPLICATIONS_FIXTURES", raising=False)
    for name in ("REPLICATIONS_CACHE", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    assert run("name_recall/gpt2-small", TOY, "--out", tmp_path / "out") == 0
    missing, reached = index(tmp_path / "out")["subjects"]
    assert (missing["subject"], missing["fixtures"]) == ("gpt2-small", {})
    assert "fixtures fetch" in missing["why_not"]
    assert reached["why_not"] == ""
    assert DRAWN == ["toy/seed0"] * len(DRAWN) != []
    first, *_, counts, _ = capsys.readouterr().out.splitlines()
    assert first == f"not reached: name_recall/gpt2-small: {missing['why_not']}"
    assert counts.endswith("1 not reached")


def test_an_interrupt_leaves_whole_pictures_and_their_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, a_line, interrupted, nothing)
    with pytest.raises(KeyboardInterrupt):
        run(TOY, "--out", tmp_path, "--format", "png")
    assert written(tmp_path) == ["figures.json", f"{TOY}/a-line.png"]
    assert [entry["name"] for entry in index(tmp_path)["pictures"]] == ["a-line"]


def test_names_mean_subjects_each_once() -> None:
    everyone = [(info.system, info.name) for system in SYSTEMS for info in load(system).SUBJECTS]
    assert [(i.system, i.name) for i in figures.select([])] == everyone
    assert [i.name for i in figures.select(["name_recall/one-layer"])] == ["one-layer/seed0"]
    chosen = figures.select([TOY, "name_recall", TOY])
    assert chosen[0].name == "toy/seed0"
    assert {i.name for i in chosen} == {i.name for i in load("name_recall").SUBJECTS}
    assert len(chosen) == len(load("name_recall").SUBJECTS)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ngrams", "unknown system 'ngrams'; there are: brackets, "),
        ("name_recall/seed9", "no subject 'seed9' of name_recall; there are: gpt2-small, "),
    ],
)
def test_an_unknown_name_lists_what_there_is(name: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=says):
        run(name, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bad_usage_is_said_before_anything_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, a_line)
    with pytest.raises(SystemExit, match="2"):
        run(TOY, "--out", tmp_path, "--format", "png,gif")
    assert "unknown format 'gif'; there are: png, svg" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot make the folder"):
        run(TOY, "--out", tmp_path / "file")
    with pytest.raises(BadInput, match="unknown format 'gif'"):
        figures.draw_all([TOY], tmp_path, ["gif"], progress=False)
    assert DRAWN == []
