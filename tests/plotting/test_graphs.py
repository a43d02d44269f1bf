"""A graph in rows: every node and arrow is drawn, as wide as what it carries."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from replications.plotting import charts, graphs
from replications.plotting.graphs import Arrow

ROWS = [["below"], ["left", "right"], ["above"]]
GROUPS = ["one", "two", "three"]
ARROWS = [
    Arrow("below", "left", -4.0, "one"),
    Arrow("below", "right", 1.0, "two"),
    Arrow("right", "above", -2.0, "one"),
]


def drawn(arrows: list[Arrow]) -> Figure:
    return graphs.rows(ROWS, arrows, GROUPS, unit="logits", y="upwards")


def patches(figure: Figure) -> list[FancyArrowPatch]:
    return [p for p in figure.axes[0].patches if isinstance(p, FancyArrowPatch)]


def test_arrows_are_as_wide_as_their_values_and_dashed_where_they_raise() -> None:
    found = patches(drawn(ARROWS))
    widths = [patch.get_linewidth() for patch in found]
    per_unit = (graphs.THICKEST - graphs.THINNEST) / 4
    assert widths == pytest.approx([graphs.THINNEST + per_unit * v for v in (1, 2, 4)])
    assert [patch.get_linestyle() for patch in found] == ["--", "-", "-"]


def test_nodes_are_named_once_and_rows_go_upwards() -> None:
    texts = {text.get_text(): text.get_position() for text in drawn(ARROWS).axes[0].texts}
    assert list(texts) == ["below", "left", "right", "above"]
    assert texts["below"][1] < texts["left"][1] == texts["right"][1] < texts["above"][1]
    assert texts["left"][0] < texts["right"][0]


def test_the_legend_has_the_groups_that_occur() -> None:
    figure = drawn(ARROWS)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["one", "two", "raises it"]
    assert figure.axes[0].get_xlabel() == "widest arrow: 4 (logits)"
    assert figure.axes[0].get_ylabel() == "upwards"


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_graph_without_arrows_or_effects_is_drawn(value: float) -> None:
    arrows = [Arrow("below", "above", 0.0, "one")] if value else []
    with charts.style():
        assert b"above" in charts.encode(drawn(arrows), "svg")
