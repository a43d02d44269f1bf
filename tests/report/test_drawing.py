"""Pictures of several systems, drawn side by side for the page."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from replications.commands import drawing, figures
from replications.errors import BadInput
from replications.judging.ledger import Ledger
from replications.report.page import gallery
from tests.report.test_page import draw
from tests.sample_ledger import ledger

TWO = ["toys/arena", "others/seed0"]


def drawn_at_once(monkeypatch: pytest.MonkeyPatch, program: str, cores: int = 2) -> gallery.Gallery:
    """The gallery of two systems, with `program` in the place of Python for further processes."""

    def chosen(_: Ledger) -> list[str]:
        return TWO

    def draw_all(names: list[str], out: Path, formats: list[str], *, progress: bool) -> Path:
        if names == ["others/seed0"]:
            raise BadInput("others/weights.pt is not what the manifest says")
        return draw(out) / "figures.json"

    monkeypatch.setattr(gallery, "chosen", chosen)
    monkeypatch.setattr(figures, "draw_all", draw_all)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(sys, "executable", program)
    return drawing.drawn(ledger())


def test_a_subject_that_another_process_took_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def draw_all(names: list[str], out: Path, *_: object, **__: object) -> Path:
        asked.append((names, out))
        return out

    monkeypatch.setattr(figures, "draw_all", draw_all)
    (tmp_path / "toys").mkdir()
    drawing.draw_each(TWO, tmp_path)
    assert asked == [(["others/seed0"], tmp_path / "others")]


def test_a_picture_that_raises_leaves_no_part_that_passes_for_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw_all(names: list[str], out: Path, *_: object, **__: object) -> Path:
        draw(out)
        raise ZeroDivisionError

    monkeypatch.setattr(figures, "draw_all", draw_all)
    with pytest.raises(ZeroDivisionError):
        drawing.draw_each(TWO, tmp_path)
    assert not (tmp_path / "toys" / "figures.json").exists()


def test_what_cannot_be_drawn_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = drawn_at_once(monkeypatch, sys.executable, cores=1)
    assert [album.subject for album in found.albums["toys"]] == ["arena"]
    assert found.missing["others"] == ("others/weights.pt is not what the manifest says",)


def test_a_process_that_does_not_start_leaves_its_work_to_this_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    program.chmod(0o755)
    found = drawn_at_once(monkeypatch, str(program))
    assert set(found.albums) == {"toys"}
    assert "manifest" in found.missing["others"][0]


def test_a_process_that_dies_with_a_subject_is_named_with_its_last_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The program takes both subjects, says something, and fails."""
    program = tmp_path / "python"
    script = '#!/bin/sh\nshift 5\nmkdir "$1/toys" "$1/others"\necho Killed\nexit 9\n'
    program.write_text(script, encoding="utf-8")
    program.chmod(0o755)

    def wait_until_taken(names: list[str], folder: Path) -> None:
        while not (folder / "others").exists():
            pass

    monkeypatch.setattr(drawing, "draw_each", wait_until_taken)
    found = drawn_at_once(monkeypatch, str(program))
    assert found.albums == {}
    assert found.missing["toys"] == ("the process that drew it ended with status 9: Killed",)


@pytest.mark.slow
def test_two_processes_draw_what_one_draws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = ["name_recall/toy/seed0", "list_update/seed0"]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    drawing.draw_each(names, tmp_path / "one")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert drawing.side_by_side(names, tmp_path / "two") == ""
    one, two = (
        {
            path.relative_to(tmp_path / n): path.read_bytes()
            for path in (tmp_path / n).rglob("*.png")
        }
        for n in ("one", "two")
    )
    assert len(one) > 10
    assert one == two
