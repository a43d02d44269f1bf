"""The pictures show what is measured, and every plot of the document is accounted for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from replications.models import sites
from replications.plotting import charts
from replications.plotting import pictures as figures
from replications.plotting.pictures import CannotDraw
from replications.systems import list_update
from replications.systems.list_update import ListUpdateSubject, model
from replications.systems.list_update import figures as drawn
from replications.systems.list_update.data import Format, generate_mixed

PLOTS = {
    "training loss": drawn.training_loss,
    "logit lens line, per-component line": drawn.attribution,
    "mean attention 1.0, 0.0, virtual": drawn.attention,
    "full OV 1.0, virtual OV": drawn.ov_circuits,
    "resid_pre patching": drawn.patching,
    "head patching: output, q, k, v, pattern": drawn.patching,
    "K-composition circuit": drawn.k_composition,
    "position QK of 1.0": drawn.default_positions,
    "split of 1_attn_out": drawn.two_paths,
}
BEYOND = {drawn.circuit, drawn.faithfulness_by_size}


def opened(name: str) -> ListUpdateSubject:
    found = list_update.subject(name)
    assert isinstance(found, ListUpdateSubject)
    return found


@pytest.fixture(scope="module")
def subject() -> ListUpdateSubject:
    """Seed 1, on few prompts."""
    whole = opened("seed1")
    return ListUpdateSubject(
        "seed1", whole.lens, curve=lambda: whole.loss_curve, tokens=generate_mixed(60, 5)
    )


def image(figure: Figure, panel: int = 0) -> np.ndarray:
    """The values of one heatmap, NaN where it is grey."""
    (shown,) = figure.axes[panel].images
    return np.ma.filled(np.ma.asarray(shown.get_array(), dtype=float), np.nan)


def heights(figure: Figure, panel: int, line: int) -> np.ndarray:
    return np.asarray(figure.axes[panel].lines[line].get_ydata())


def test_every_plot_of_the_document_is_drawn() -> None:
    assert {*PLOTS.values(), *BEYOND} == set(drawn.PICTURES)
    assert drawn.NOT_DRAWN == {}


@pytest.mark.slow
def test_all_pictures_of_a_seed_are_drawn(subject: ListUpdateSubject, tmp_path: Path) -> None:
    found = list(figures.draw(subject, drawn.PICTURES, tmp_path, ["png"]))
    assert [one.why_not for one in found] == [""] * len(drawn.PICTURES)


@pytest.mark.slow
def test_a_picture_is_the_same_bytes_twice(subject: ListUpdateSubject, tmp_path: Path) -> None:
    one, two = (next(figures.draw(subject, [drawn.attention], tmp_path / to)) for to in "ab")
    assert [path.suffix for path in one.files] == [".png", ".svg"]
    assert [p.read_bytes() for p in one.files] == [p.read_bytes() for p in two.files]


def test_lines_are_the_curve_and_the_attributions(subject: ListUpdateSubject) -> None:
    loss = drawn.training_loss.draw(subject)
    assert heights(loss, 1, 0).tolist() == list(subject.loss_curve)
    assert loss.axes[1].get_yscale() == "log"
    lens = drawn.attribution.draw(subject)
    total = subject.attribution.totals
    for j in range(3):
        embedding, first = subject.attribution.components[:2, j].tolist()
        shown = [embedding, embedding + first, total[j].item()]
        assert heights(lens, 0, j).tolist() == pytest.approx(shown)
        last = subject.attribution.heads[1, 0][j].item()
        assert heights(lens, 1, j)[-1] == pytest.approx(last)


def test_attention_is_the_mean_over_prompts_with_the_documents_index(
    subject: ListUpdateSubject,
) -> None:
    figure = drawn.attention.draw(subject)
    chosen = subject.task.index == 1
    last, first = (subject.task.pattern(head)[chosen] for head in ((1, 0), (0, 0)))
    for panel, expected in enumerate([last, first, last @ first]):
        assert np.allclose(image(figure, panel), expected.mean(0))
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names[5:8] == ["5 index", "6 element", "7 NL"]


def test_circuits_are_those_that_claims_judge(subject: ListUpdateSubject) -> None:
    ov = drawn.ov_circuits.draw(subject)
    diagonal = np.arange(50)
    for panel, heads in enumerate([((1, 0),), ((0, 0), (1, 0))]):
        share = subject.circuits.copying(*heads)
        shown = image(ov, panel)
        assert shown.shape == (52, 50)
        assert (shown[:50].argmax(1) == diagonal).mean() == pytest.approx(share)
    composed = image(drawn.k_composition.draw(subject))
    least = subject.circuits.k_composition()["least_diagonal"]
    assert np.diagonal(composed[7:10, :3]).min() == pytest.approx(least)
    placed = image(drawn.default_positions.draw(subject))
    assert (np.isnan(placed) == np.triu(np.ones((11, 11)), 1)).all()
    defaults = [int(np.nanargmax(placed[q])) for q in (7, 8, 9)]
    assert defaults == subject.circuits.default_positions()
    ratio = placed[[7, 8, 9], [1, 2, 3]].mean() / np.diagonal(composed[7:10, :3]).mean()
    assert ratio == pytest.approx(subject.circuits.default_strength())


def test_both_circuits_of_keys_have_the_same_limits(subject: ListUpdateSubject) -> None:
    pictures = (drawn.k_composition, drawn.default_positions)
    one, two = (p.draw(subject).axes[0].images[0].get_clim() for p in pictures)
    assert one == two
    assert one[0] == -one[1]


def test_patching_is_that_of_the_printed_pair(subject: ListUpdateSubject) -> None:
    figure = drawn.patching.draw(subject)
    titles = [axes.get_title() for axes in figure.axes[:6]]
    assert titles == list(drawn.PATCHED)
    stream, key, pattern = (
        image(figure, titles.index(name)) for name in (titles[0], *titles[3::2])
    )
    found = subject.printed
    assert stream[0, 5] == pytest.approx(1)
    assert stream[1, 6] == pytest.approx(found.stream()["recovered"])
    assert key[1, 6] == pytest.approx(found.layer_1()["recovered"])
    assert pattern[1, 8] == pytest.approx(found.at_prediction()["pattern"])


def test_pairs_of_another_format_are_averaged_over_one_index() -> None:
    format = Format(4, 20)
    lens = model.open_model(model.untrained_state_dict(0, 2, format), 2, format)
    other = ListUpdateSubject("other", lens, format, tokens=generate_mixed(20, 5, format))
    shown = image(drawn.patching.draw(other))
    chosen = other.pairs.swept(sites.RESID_PRE)[..., other.pairs.prompts.index == 1]
    assert shown.shape == (2, format.context)
    assert np.allclose(shown, chosen.mean(-1))
    with pytest.raises(CannotDraw, match="without the loss curve"):
        drawn.training_loss.draw(other)


def test_both_paths_are_split_by_the_updated_index(subject: ListUpdateSubject) -> None:
    figure = drawn.two_paths.draw(subject)
    bars = [bar for bar in figure.axes[0].patches if isinstance(bar, Rectangle)]
    both, direct = (bar.get_height() for bar in bars)
    shares = subject.paths.first_prediction()
    assert direct / (both + direct) == pytest.approx(shares["direct"])
    for index in range(3):
        for j in range(3):
            both, direct = heights(figure, 1 + index, j)
            share = subject.paths.direct_shares[index, j].item()
            assert direct / (both + direct) == pytest.approx(share)


def test_one_layer_has_what_one_head_can_show() -> None:
    small = opened("one-layer/seed0")
    small = ListUpdateSubject("small", small.lens, tokens=generate_mixed(20, 5))
    with charts.style():
        assert len(drawn.attention.draw(small).axes) == 2  # one panel and the colour bar
    assert image(drawn.ov_circuits.draw(small)).shape == (52, 50)
    for picture in (drawn.patching, drawn.k_composition, drawn.default_positions, drawn.two_paths):
        with pytest.raises(CannotDraw, match="one layer"):
            picture.draw(small)


def test_the_generator_has_no_pictures() -> None:
    for picture in drawn.PICTURES:
        with pytest.raises(CannotDraw, match="no model"):
            picture.draw(list_update.subject("generator"))
