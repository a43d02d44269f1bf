"""How pictures look: one scale per meaning, ticks that say what is there, one legend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Patch, StepPatch

from replications.errors import BadInput
from replications.plotting import charts
from replications.plotting.charts import ATTENTION, DIFFERENCE


def heatmaps(shape: tuple[int, int], panels: int = 1, **options: Any) -> Figure:
    values = {f"panel {i}": np.full(shape, float(i + 1)) for i in range(panels)}
    return charts.heatmaps(values, DIFFERENCE, x="position", y="layer", **options)


def shown(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


# ----------------------------------------------------------------------------------------- scales
def test_attention_is_zero_to_one_and_a_difference_is_centred_on_zero() -> None:
    values = [np.array([[0.1, -3.0]]), np.array([[2.0, np.nan]])]
    assert ATTENTION.limits(values) == (0, 1)
    assert DIFFERENCE.limits(values) == (-3, 3)


@pytest.mark.parametrize("values", [[np.zeros((2, 2))], [np.full((2, 2), np.nan)], []])
def test_a_scale_of_nothing_is_still_a_scale(values: list[np.ndarray]) -> None:
    assert DIFFERENCE.limits(values) == (-1, 1)


def test_panels_share_one_scale_and_one_colour_bar() -> None:
    values = {"a": torch.tensor([[1.0, -4.0]]), "b": torch.tensor([[2.0, float("nan")]])}
    figure = charts.heatmaps(values, DIFFERENCE, x="position", y="layer")
    assert len(figure.axes) == 3
    assert {axes.images[0].get_clim() for axes in figure.axes[:2]} == {(-4.0, 4.0)}
    assert figure.axes[2].get_ylabel() == "logit difference"
    for found, expected in zip(shown(figure), values.values(), strict=True):
        np.testing.assert_array_equal(found, expected)


# --------------------------------------------------------------------------------- size and ticks
@pytest.mark.parametrize(
    ("shape", "panels"), [((2, 8), 1), ((13, 12), 3), ((52, 50), 2), ((2, 11), 5), ((1, 144), 1)]
)
def test_pictures_of_any_grid_fit_a_page(shape: tuple[int, int], panels: int) -> None:
    width, height = heatmaps(shape, panels).get_size_inches()
    assert 2 < width <= 12
    assert 1.5 < height <= 10


def test_only_outer_panels_have_words_on_their_axes() -> None:
    found = heatmaps((2, 11), 5).axes[:5]
    assert [axes.get_ylabel() for axes in found] == ["layer", "", "", "layer", ""]
    assert [axes.get_xlabel() for axes in found] == ["", "", *["position"] * 3]


def test_the_first_and_the_last_of_many_ticks_are_kept() -> None:
    names = ["[start]", *map(str, range(1, 41)), "[end]"]
    axes = heatmaps((42, 42), 2, x_ticks=names, y_ticks=names).axes[0]
    for axis in (axes.xaxis, axes.yaxis):
        words = [text.get_text() for text in axis.get_ticklabels()]
        assert (words[0], words[-1]) == ("[start]", "[end]")
        assert [names[int(place)] for place in axis.get_ticklocs()] == words
        assert len(words) < 30


def test_few_ticks_are_all_kept() -> None:
    names = [f"{layer}.{head}" for layer in range(2) for head in range(8)]
    axes = heatmaps((16, 12), y_ticks=names).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == names
    assert len(axes.get_xticks()) == 12


def test_ticks_that_do_not_fit_the_values_are_refused() -> None:
    with pytest.raises(BadInput, match="2 × 3, with as many ticks"):
        heatmaps((2, 3), x_ticks=["a", "b"])
    with pytest.raises(BadInput, match="2 × 3"):
        charts.heatmaps({"a": np.ones((2, 3)), "b": np.ones((3, 2))}, DIFFERENCE, x="", y="")


# -------------------------------------------------------------------------------- panels of a kind
def counts(patch: Patch) -> list[float]:
    assert isinstance(patch, StepPatch)
    found: list[float] = patch.get_data()[0].tolist()
    return found


def test_histograms_count_what_lies_outside_in_the_end_bins() -> None:
    panels = {"one": {"b": [-9.0, 0.5, 1.5, 1.6]}, "two": {"a": [7.0], "b": [0.1]}}
    figure = charts.histograms(panels, x="value", bins=[0, 1, 2])
    one, two = figure.axes
    assert counts(one.patches[0]) == [2, 2]
    assert [counts(patch) for patch in two.patches] == [[0, 1], [1, 0]]
    assert one.patches[0].get_facecolor() == two.patches[1].get_facecolor()  # both are class b
    (legend,) = figure.legends
    assert sorted(text.get_text() for text in legend.get_texts()) == ["a", "b"]


def test_there_is_one_legend_for_all_panels() -> None:
    figure, grid = charts.canvas(2)
    for axes in grid.flat:
        charts.scatter(axes, {"heads": ([0, 1], [1, 2])})
    assert not figure.legends  # a single name explains nothing
    charts.diagonal(grid[0, 0])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["heads", "y = x"]


def test_no_two_lines_share_colour_and_marker() -> None:
    _, grid = charts.canvas()
    charts.lines(grid[0, 0], {str(i): ([0, 1], [i, i]) for i in range(20)})
    looks = {(line.get_color(), line.get_marker()) for line in grid[0, 0].lines}
    assert len(looks) == 20


def test_bars_have_the_heights_and_the_last_name() -> None:
    _, grid = charts.canvas()
    charts.bars(grid[0, 0], [f"key {i}" for i in range(42)], torch.arange(42))
    assert [bar.get_height() for bar in grid[0, 0].patches] == list(range(42))
    assert grid[0, 0].get_xticklabels()[-1].get_text() == "key 41"


def test_an_svg_keeps_its_text_and_names_a_font_that_most_readers_have() -> None:
    with charts.style():
        svg = charts.encode(heatmaps((2, 2)), "svg").decode()
    assert ">position</text>" in svg
    assert svg.count("'DejaVu Sans'") == svg.count("'DejaVu Sans', Verdana, sans-serif") > 0
    assert "<dc:date>" not in svg
