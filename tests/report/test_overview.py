"""The picture of a ledger: the share of models in which each claim holds, by kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.figure import Figure

from replications.cli import main
from replications.report.overview import overview
from tests.sample_ledger import BIG, SIDES, ledger, row


def shown(figure: Figure) -> Iterator[npt.NDArray[np.float64]]:
    """The values of each image, NaN where it has none."""
    for image in figure.axes[0].images:
        values = image.get_array()
        assert values is not None
        yield np.ma.filled(values, np.nan)


def test_a_cell_is_the_share_of_judged_models_in_which_the_claim_holds() -> None:
    figure = overview(ledger())
    grey, cells = shown(figure)
    np.testing.assert_array_equal(cells, [[1, 1], [0.5, np.nan]])  # big, sides; original, retrained
    assert np.isnan(grey).all()
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["original", "retrained"]


def test_what_was_not_measured_is_grey_and_an_accepted_control_does_not_count() -> None:
    made = replace(SIDES, controls=BIG.controls, no_control="")
    vacuous = row(made, "arena", "vacuous", accepted=True)
    figure = overview(ledger(row(BIG, "arena", "skip", holds=None, reason="no file"), vacuous))
    grey, cells = shown(figure)
    np.testing.assert_array_equal(grey, [[1, np.nan]])
    np.testing.assert_array_equal(cells, [[np.nan, 0]])


def test_the_command_writes_the_same_bytes_again(tmp_path: Path) -> None:
    saved = tmp_path / "ledger.json"
    ledger().write(saved)
    pictures = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in pictures:
        assert (
            main(["ledger", str(saved), "--out", str(tmp_path / "C.md"), "--picture", str(path)])
            == 0
        )
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


def test_another_format_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "ledger.json"
    ledger().write(saved)
    assert main(["ledger", str(saved), "--picture", str(tmp_path / "a.gif")]) == 2
    assert ".png or .svg" in capsys.readouterr().err
