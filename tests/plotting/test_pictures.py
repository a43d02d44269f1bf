"""Writing pictures: whole files with the same bytes, or one line that says why not."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from replications.errors import BadInput
from replications.plotting import charts
from replications.plotting import pictures as figures
from replications.plotting.pictures import CannotDraw, Picture, picture
from replications.systems import registry


@picture("A line", "It rises with the subject.")
def a_line(subject: Any) -> Figure:
    figure, grid = charts.canvas(2)
    figure.set_size_inches(4, 2)
    for axes in grid.flat:
        charts.lines(axes, {"up": (range(3), [0, 1, subject]), "down": (range(3), [2, 1, 0])})
        charts.label(axes, "step", "height (m)")
    return figure


@picture("Nothing", "Never drawn.")
def nothing(subject: Any) -> Figure:
    raise CannotDraw("this model has one layer")


def draw(folder: Path, *chosen: Picture, formats: Any = figures.FORMATS) -> list[figures.Drawn]:
    return list(figures.draw(5, chosen, folder, formats))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_picture_is_named_like_its_function() -> None:
    assert (a_line.name, a_line.title, a_line.says) == (
        "a-line",
        "A line",
        "It rises with the subject.",
    )


@pytest.mark.slow
def test_equal_pictures_are_equal_bytes_whatever_else_is_written(tmp_path: Path) -> None:
    (first,) = draw(tmp_path / "a", a_line)
    assert [path.name for path in first.files] == ["a-line.png", "a-line.svg"]
    draw(tmp_path / "b", a_line)
    draw(tmp_path / "c", a_line, formats=("svg",))
    for name, folders in {"a-line.png": "ab", "a-line.svg": "abc"}.items():
        assert len({(tmp_path / folder / name).read_bytes() for folder in folders}) == 1
    assert names(tmp_path / "c") == ["a-line.svg"]


def test_a_user_s_own_settings_change_nothing(tmp_path: Path) -> None:
    draw(tmp_path / "a", a_line)
    with mpl.rc_context({"lines.linewidth": 7, "figure.dpi": 33}):
        draw(tmp_path / "b", a_line)
    assert (tmp_path / "a/a-line.svg").read_bytes() == (tmp_path / "b/a-line.svg").read_bytes()


def test_what_a_subject_does_not_have_is_said_and_the_rest_is_drawn(tmp_path: Path) -> None:
    missing, drawn = draw(tmp_path, nothing, a_line, formats=("svg",))
    assert (missing.files, missing.why_not) == ((), "this model has one layer")
    assert (drawn.files, drawn.why_not) == ((tmp_path / "a-line.svg",), "")


def test_an_unknown_format_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown format 'gif'; there are: png, svg"):
        figures.draw(5, (a_line,), tmp_path / "new", ["png", "gif"])
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_is_named_before_anything_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(BadInput, match=r"cannot make the folder .*file/inside"):
        figures.draw(5, (a_line,), tmp_path / "file" / "inside")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "a-line.png").mkdir()
    with pytest.raises(BadInput, match=r"cannot write .*a-line\.png"):
        draw(tmp_path, a_line)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupt_leaves_the_files_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def interrupted(*_: object) -> None:
        raise error

    draw(tmp_path, a_line)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    other = Picture(a_line.name, "", "", lambda subject: a_line.draw(99))
    for owner, step in ((charts, "encode"), (os, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, step, interrupted)
            with pytest.raises(error):
                draw(tmp_path, other)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("read", [registry.pictures_of, registry.not_drawn])
def test_an_unknown_system_is_refused(read: Any) -> None:
    with pytest.raises(BadInput, match="unknown system 'x'; there are: brackets, "):
        read("x")


def test_without_matplotlib_one_line_says_how_to_get_it(
    no_matplotlib: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "replications.systems.brackets.figures", raising=False)
    with pytest.raises(BadInput) as caught:
        registry.pictures_of("brackets")
    assert "pip install 'interp-claims[plots]'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_system_without_pictures_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = ModuleType("replications.systems.bare")
    bare.__path__ = []  # a package that has no figures.py
    monkeypatch.setitem(sys.modules, bare.__name__, bare)
    monkeypatch.setattr(registry, "SYSTEMS", ("bare",))
    with pytest.raises(BadInput, match=r"no figures\.py.*--no-figures"):
        registry.pictures_of("bare")
