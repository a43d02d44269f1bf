"""The pictures show what is measured, and every plot of the document is accounted for."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from replications.models import sites
from replications.plotting import pictures as figures
from replications.plotting.pictures import CannotDraw
from replications.systems import ioi
from replications.systems.ioi import IoiSubject
from replications.systems.ioi import figures as drawn
from tests.systems.ioi.test_gpt2_path import stand_ins as stand_ins  # the fixture

PLOTS = {
    "attention maps of 5.5 and 6.9": drawn.induction_attention,
    "path patching into induction keys": drawn.paths_to_induction_keys,
    "DLA by head: clean, ablated, change": drawn.attribution,
    "DLA original vs ablated with y = x": drawn.attribution_scatter,
    "final LN scale, ablated vs clean with y = x": drawn.final_scale,
    "logit difference by signal": drawn.signals,
    "logit difference by signal, per S-inhibition head": drawn.signals_by_head,
}


def image(figure: Figure, panel: int = 0) -> np.ndarray:
    """The values of one heatmap, NaN where it is grey."""
    (shown,) = figure.axes[panel].images
    return np.ma.filled(np.ma.asarray(shown.get_array(), dtype=float), np.nan)


def points(figure: Figure, group: int) -> np.ndarray:
    """[point xy] of one class of a scatter."""
    return np.asarray(figure.axes[0].collections[group].get_offsets())


def bars(axes: Axes) -> list[tuple[float, float]]:
    """Where each bar starts and ends."""
    found = [bar for bar in axes.patches if isinstance(bar, Rectangle)]
    return [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in found]


def test_every_plot_of_the_document_is_drawn_and_one_more() -> None:
    assert set(drawn.PICTURES) - set(PLOTS.values()) == {drawn.self_repair}
    assert set(PLOTS.values()) <= set(drawn.PICTURES)
    assert drawn.self_repair.says.startswith("Not a plot of the document.")
    assert drawn.NOT_DRAWN == {}


@pytest.mark.slow
def test_all_pictures_of_a_model_are_drawn(subject: IoiSubject, tmp_path: Path) -> None:
    found = list(figures.draw(subject, drawn.PICTURES, tmp_path, ["png"]))
    assert [one.why_not for one in found] == [""] * len(drawn.PICTURES)
    again = next(figures.draw(subject, [drawn.self_repair], tmp_path / "again", ["png"]))
    assert again.files[0].read_bytes() == (tmp_path / "self-repair.png").read_bytes()


def test_the_diagonal_of_the_attention_maps_is_the_induction_score(subject: IoiSubject) -> None:
    figure, length = drawn.induction_attention.draw(subject), subject.task.repeated_tokens.length
    for panel, head in enumerate(subject.roles.induction):
        second = np.diagonal(image(figure, panel), -(length - 1))[-length:]
        score = subject.task.repeated_tokens.scores().induction[head].mean().item()
        assert second.mean() == pytest.approx(score)
        assert figure.axes[panel].get_title() == f"{head[0]}.{head[1]}, score {score:.2f}"


def test_effects_through_keys_are_those_that_claims_judge(subject: IoiSubject) -> None:
    shown = image(drawn.paths_to_induction_keys.draw(subject)) / 100
    found = subject.early_paths.from_previous(sites.K, subject.roles.induction)
    previous = subject.roles.previous
    reached = ~np.isnan(shown)
    first_grey = max(layer for layer, _ in subject.roles.induction)
    assert reached[:first_grey].all()
    assert not reached[first_grey:].any()
    before = [shown[head] if reached[head] else 0.0 for head in previous]
    assert before == pytest.approx(found["effects"])


def test_attribution_before_and_after(subject: IoiSubject) -> None:
    figure, ablation = drawn.attribution.draw(subject), subject.name_movers.ablation
    before, after, change = (image(figure, panel) for panel in range(3))
    assert np.allclose(before, subject.name_movers.direct)
    assert before.sum() - after.sum() == pytest.approx(-change.sum())
    others = ablation.changes != 0
    assert np.allclose(change[others], ablation.changes[others])
    mover = subject.roles.name_mover
    assert after[mover] / before[mover] == pytest.approx(ablation.left_of(mover))


def test_the_scatter_has_every_head_once_and_names_those_that_change() -> None:
    subject = ioi.subject("repairing/seed1")
    assert isinstance(subject, IoiSubject)
    figure, ablation = drawn.attribution_scatter.draw(subject), subject.name_movers.ablation
    own, stand_out, rest = (points(figure, group) for group in range(3))
    assert len(own) == 1
    assert len(stand_out) > 1
    assert len(own) + len(stand_out) + len(rest) == subject.name_movers.direct.numel()
    assert own[0, 1] == pytest.approx(subject.name_movers.direct[subject.roles.name_mover].item())
    for x, y in stand_out:
        assert abs(x - y) >= 0.1
    named = {text.get_text() for text in figure.axes[0].texts}
    big = [(i, j) for i, j in (ablation.changes.abs() >= 0.1).nonzero().tolist()]
    assert named == {f"{i}.{j}" for i, j in [*big, subject.roles.name_mover]}
    low, high = figure.axes[0].get_xlim()
    assert low <= -1 < 1 <= high
    assert low < own[0, 0] < high


def test_scales_and_their_ratio(subject: IoiSubject) -> None:
    figure, ablation = drawn.final_scale.draw(subject), subject.name_movers.ablation
    shown = points(figure, 0)
    assert (shown[:, 0] / shown[:, 1]).mean() == pytest.approx(ablation.scale_ratio)
    assert figure.axes[0].get_title() == f"average ratio {ablation.scale_ratio:.4f}"


def test_the_bars_add_up_to_what_is_recovered(subject: IoiSubject) -> None:
    figure, movers = drawn.self_repair.draw(subject), subject.name_movers
    left, right = figure.axes
    numbers = movers.ablation.numbers
    heights = [top - bottom for bottom, top in bars(left)]
    assert heights == [numbers[name] for name in ("clean", "naive", "ablated")]
    first, held = (sum(top - bottom for bottom, top in bars(right)[i::2]) for i in (0, 1))
    assert first == pytest.approx(movers.ablation.recovery)
    assert held == pytest.approx(movers.held.recovery)
    # Parts of one sign stand on one another, and no two parts overlap.
    spans = sorted(sorted(span) for span in bars(right)[::2])
    assert all(end <= start + 1e-9 for (_, end), (start, _) in pairwise(spans))


def test_tables_of_signals_say_their_numbers(subject: IoiSubject) -> None:
    together = drawn.signals.draw(subject)
    cells = subject.position_against_token.together.cells
    assert np.allclose(image(together), cells)
    assert together.axes[0].texts[3].get_text() == f"{cells[1, 1]:.2f}".replace("-0.00", "0.00")
    single = drawn.signals_by_head.draw(subject)
    for panel, table in enumerate(subject.position_against_token.each(subject.roles.s_inhibition)):
        clean = subject.name_movers.clean
        assert np.allclose(image(single, panel), (table.cells - clean) / clean)
    first, second = (single.axes[panel].images[0].get_clim() for panel in (0, 1))
    assert first == second


@pytest.mark.slow
def test_gpt2s_heads_and_layers_are_drawn(stand_ins: dict[str, IoiSubject]) -> None:
    figure = {picture.name: picture.draw(stand_ins["gpt2-small"]) for picture in drawn.PICTURES}
    titles = [axes.get_title() for axes in figure["induction-attention"].axes[:2]]
    assert [title.split(",")[0] for title in titles] == ["5.5", "6.9"]
    keys = image(figure["paths-to-induction-keys"])
    assert keys.shape == (12, 12)
    assert (np.isnan(keys).sum(1) == [0] * 6 + [12] * 6).all()
    assert figure["attribution"].axes[1].get_title() == "9.9 ablated"
    heads = [axes.get_title() for axes in figure["signals-by-head"].axes[:4]]
    assert heads == ["7.3", "7.9", "8.6", "8.10"]


def test_induction_heads_of_the_first_layer_have_no_paths_into_them(subject: IoiSubject) -> None:
    roles = replace(subject.roles, induction=((0, 0), (0, 1)))
    first = IoiSubject("first", subject.task, roles=roles)
    with pytest.raises(CannotDraw, match=r"0\.0, 0\.1.*first layer"):
        drawn.paths_to_induction_keys.draw(first)


def test_roles_that_no_head_fills_have_no_pictures(subject: IoiSubject) -> None:
    roles = replace(subject.roles, induction=(), s_inhibition=())
    without = IoiSubject("without", subject.task, roles=roles)
    for picture in (drawn.induction_attention, drawn.paths_to_induction_keys):
        with pytest.raises(CannotDraw, match="no head of this model is an induction head"):
            picture.draw(without)
    for picture in (drawn.signals, drawn.signals_by_head):
        with pytest.raises(CannotDraw, match="no head of this model is an S-inhibition head"):
            picture.draw(without)


def test_texts_have_no_pictures() -> None:
    for picture in drawn.PICTURES:
        with pytest.raises(CannotDraw, match="no model"):
            picture.draw(ioi.subject("text"))
