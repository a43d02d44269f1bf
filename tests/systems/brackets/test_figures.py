"""The pictures of the bracket document: all of its plots, and the numbers that are judged."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch
from torch import Tensor

from replications.plotting import charts
from replications.plotting.pictures import CannotDraw
from replications.systems.brackets import BracketData, BracketSubject, subject
from replications.systems.brackets.figures import NOT_DRAWN, PICTURES
from replications.systems.brackets.roles import PUBLISHED, Roles
from replications.systems.registry import pictures_of

BY_NAME = {each.name: each for each in PICTURES}
PLOTS = {
    "histogram of string lengths": ["string-lengths"],
    "illustration of a bimodal component histogram": [],
    "component histograms, final LN": ["components-at-position-0"],
    "head 2.0 vs head 2.1": ["total-head-against-negative-head"],
    "2.0 (and 2.1) vs open proportion": ["heads-by-open-share"],
    "bar of 2.0 attention": ["total-head-attention"],
    "component histograms before 2.0": ["components-before-the-total-head"],
    "mlp0 and mlp1 vs open proportion": ["mlps-by-open-share"],
    "illustration of the two-ReLU sum": ["two-relus"],
    "per-neuron scatter, layers 0 and 1": ["neurons-of-layer-0", "neurons-of-layer-1"],
    "slider over all neurons": [],
    "stills of 0.21 and 1.53": ["named-neurons"],
    "attention grid of 0.0 and 0.1": ["layer-0-attention", "layer-0-attention-from-close"],
    "bar of 0.0 attention at query 1": ["elevation-head-attention"],
    "diagrams: model, residual split, two backward steps, MLP as key-value, final circuit": [],
}
BEYOND = ["total-circuit", "faithfulness-by-size", "scrubbed-loss-by-class"]
"""Not in the document."""
"""Every plot of the document, and the pictures that show it; none where NOT_DRAWN has it."""


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with charts.style():
        yield


@pytest.fixture(scope="module")
def arena(exact: BracketSubject) -> BracketSubject:
    """Random weights in the place of the published ones, and balanced strings of 40 too."""
    data = BracketData.from_strings([*exact.task.data.strings, "()" * 20, "(" * 20 + ")" * 20])
    return BracketSubject("arena", exact.lens, data, roles=PUBLISHED)


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.axison]


def heights(axes: Axes) -> list[float]:
    return [bar.get_height() for bar in axes.patches if isinstance(bar, Rectangle)]


def points(axes: Axes) -> np.ndarray:
    """All points of a scatter, sorted, [n 2]."""
    found = np.concatenate([np.asarray(each.get_offsets()) for each in axes.collections])
    return found[np.lexsort(found.T)]


def pairs(x: Tensor, y: Tensor) -> np.ndarray:
    found = np.stack([x.double().numpy(), y.double().numpy()], axis=1)
    return found[np.lexsort(found.T)]


def test_every_plot_of_the_document_is_drawn_or_has_a_reason() -> None:
    assert pictures_of("brackets") is PICTURES
    shown = [name for names in PLOTS.values() for name in names]
    assert [*shown, *BEYOND] == list(BY_NAME)  # in the order of the document, each once
    assert {plot for plot, names in PLOTS.items() if not names} == set(NOT_DRAWN)
    assert all(reason and "\n" not in reason for reason in NOT_DRAWN.values())


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "two-relus"])
def test_each_picture_can_be_drawn_with_words_on_its_axes(arena: BracketSubject, name: str) -> None:
    figure = BY_NAME[name].draw(arena)
    assert any(axes.get_xlabel() for axes in panels(figure)) or figure.get_supxlabel()
    assert any(axes.get_ylabel() for axes in panels(figure)) or figure.get_supylabel()
    width, height = figure.get_size_inches()
    assert 4 < width <= 12
    assert 3 < height <= 10


@pytest.mark.slow
def test_equal_measurements_give_equal_bytes(arena: BracketSubject) -> None:
    drawn = [BY_NAME["heads-by-open-share"].draw(arena) for _ in range(2)]
    for form in ("png", "svg"):
        first, second = (charts.encode(figure, form) for figure in drawn)
        assert first == second


# --------------------------------------------------------------------------------- what is shown
def test_histograms_hold_what_each_component_contributes(arena: BracketSubject) -> None:
    drawn = {
        "components-at-position-0": (arena.task.contributions, -10, 20, 60),
        "components-before-the-total-head": (arena.task.inputs(arena.roles.total), -5, 12, 68),
    }
    for name, (values, low, high, bins) in drawn.items():
        found = panels(BY_NAME[name].draw(arena))
        assert len(found) == len(values)
        for axes, u in zip(found, values.values(), strict=True):
            for patch, rows in zip(axes.patches, (arena.task.B, ~arena.task.B), strict=True):
                inside = u[rows].clamp(low, high).numpy()
                counts, _ = np.histogram(inside, np.linspace(low, high, bins + 1))
                assert isinstance(patch, StepPatch)
                drawn_counts, *_ = patch.get_data()
                assert drawn_counts.tolist() == counts.tolist()
    assert [axes.get_title() for axes in found] == [
        "embeddings",
        "head 0.0, elevation",
        "head 0.1",
        "mlp0",
        "head 1.0",
        "head 1.1, helper",
        "mlp1",
    ]


def test_scatters_hold_one_point_per_string(arena: BracketSubject) -> None:
    rows, share = arena.task.data.starts_open, arena.task.data.open_share
    two, one = arena.total_head.contribution, arena.negative_head.contribution
    (axes,) = panels(BY_NAME["total-head-against-negative-head"].draw(arena))
    np.testing.assert_array_equal(points(axes), pairs(two[rows], one[rows]))
    assert [each.get_label() for each in axes.collections] == [
        "balanced",
        "both failures",
        "only the total",
        "only a negative suffix",
    ]
    for axes, u in zip(panels(BY_NAME["heads-by-open-share"].draw(arena)), (two, one), strict=True):
        np.testing.assert_array_equal(points(axes), pairs(share, u))
    mlps = panels(BY_NAME["mlps-by-open-share"].draw(arena))
    for axes, mlp in zip(mlps, ("mlp0", "mlp1"), strict=True):
        w = arena.task.inputs(arena.roles.total)[mlp][rows]
        np.testing.assert_array_equal(points(axes), pairs(share[rows], w))


@pytest.mark.parametrize("layer", [0, 1])
def test_the_strongest_neurons_come_first(arena: BracketSubject, layer: int) -> None:
    found = panels(BY_NAME[f"neurons-of-layer-{layer}"].draw(arena))
    strength = arena.neurons.high[layer].abs().maximum(arena.neurons.low[layer].abs())
    order = strength.sort(descending=True).indices[:12].tolist()
    assert [axes.get_title() for axes in found] == [f"{layer}.{i}" for i in order]
    rows = arena.task.data.starts_open
    for axes, i in zip(found, order, strict=True):
        values = arena.neurons.contributions[layer, rows, i]
        np.testing.assert_array_equal(points(axes), pairs(arena.task.data.open_share[rows], values))


def test_named_neurons_are_those_of_their_titles(arena: BracketSubject) -> None:
    found = {axes.get_title(): axes for axes in panels(BY_NAME["named-neurons"].draw(arena))}
    rows = arena.task.data.starts_open
    for title, index in {"0.21: below half": (0, 21), "1.53: above half": (1, 53)}.items():
        values = arena.neurons.contributions[index[0], rows, index[1]]
        np.testing.assert_array_equal(
            points(found[title]), pairs(arena.task.data.open_share[rows], values)
        )


def test_bars_are_mean_attention(arena: BracketSubject) -> None:
    (axes,) = panels(BY_NAME["total-head-attention"].draw(arena))
    mean = arena.total_head.attention[arena.task.data.starts_open].mean(0)
    assert heights(axes) == pytest.approx(mean.tolist())
    assert heights(axes)[1] == pytest.approx(
        arena.total_head.attention_to_position_1()["position_1"]
    )
    (axes,) = panels(BY_NAME["elevation-head-attention"].draw(arena))
    assert heights(axes) == pytest.approx(arena.elevation_head.attention_at_1.tolist())
    assert axes.get_ylim()[1] >= 0.1


@pytest.mark.parametrize(
    ("name", "bracket"), [("layer-0-attention", "("), ("layer-0-attention-from-close", ")")]
)
def test_grids_are_the_attention_of_both_heads(
    arena: BracketSubject, name: str, bracket: str
) -> None:
    heads = (arena.elevation_head, arena.elevation_head.sibling)
    found = [axes.images[0] for axes in BY_NAME[name].draw(arena).axes if axes.images]
    top = max(head.grids[bracket].max().item() for head in heads)
    for image, head in zip(found, heads, strict=True):
        np.testing.assert_array_equal(image.get_array(), head.grids[bracket])
        assert image.get_clim() == (0, top)


def test_lengths_are_counted(arena: BracketSubject) -> None:
    (axes,) = panels(BY_NAME["string-lengths"].draw(arena))
    lengths = [len(string) for string in arena.task.data.strings]
    assert heights(axes) == [lengths.count(n) for n in range(41)]


# -------------------------------------------------------------------------------- what cannot be
def test_the_constructions_show_the_two_relus_alone(arena: BracketSubject) -> None:
    made = subject("construction")
    for name, each in BY_NAME.items():
        if name != "two-relus":
            with pytest.raises(CannotDraw, match="none is a bracket classifier"):
                each.draw(made)
    (axes,) = panels(BY_NAME["two-relus"].draw(made))
    x, y = (np.asarray(values, dtype=float) for values in axes.lines[-1].get_data())
    np.testing.assert_allclose(y, abs(x - 0.5), atol=1e-6)
    with pytest.raises(CannotDraw, match="drawn for the subject 'construction'"):
        BY_NAME["two-relus"].draw(arena)


def test_a_total_head_of_layer_1_reads_no_mlp_of_its_layer(exact: BracketSubject) -> None:
    roles = Roles(total=(1, 0), negative=(2, 1))
    early = BracketSubject("custom", exact.lens, exact.task.data, roles=roles)
    with pytest.raises(CannotDraw, match=r"mlp1 writes after total head 1\.0 has read"):
        BY_NAME["neurons-of-layer-1"].draw(early)
    assert len(panels(BY_NAME["components-before-the-total-head"].draw(early))) == 4
    assert len(panels(BY_NAME["mlps-by-open-share"].draw(early))) == 1


def test_neurons_of_the_document_are_not_looked_for_in_other_weights(
    exact: BracketSubject,
) -> None:
    with pytest.raises(CannotDraw, match="published weights"):
        BY_NAME["named-neurons"].draw(exact)


def test_attention_over_the_longest_strings_needs_some(exact: BracketSubject) -> None:
    with pytest.raises(CannotDraw, match="no balanced string of 40 brackets"):
        BY_NAME["elevation-head-attention"].draw(exact)
