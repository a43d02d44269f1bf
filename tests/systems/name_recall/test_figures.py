"""Every plot of the list is drawn or has a reason; a picture shows the numbers that are judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from replications.plotting import charts
from replications.plotting import pictures as drawing
from replications.plotting.pictures import CannotDraw, Picture
from replications.systems import registry
from replications.systems.name_recall import figures
from replications.systems.name_recall.data import CORRUPTIONS
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.task import Kind
from tests.systems.name_recall.conftest import GIVEN

ROWS = {
    "prompt test table": ["prompt-test"],
    "residual patching, gpt2-small, three corruptions": ["residual-patching"],
    "residual patching, gelu-2l": ["residual-patching"],
    "head patching, gelu-2l": ["head-patching"],
    "head × position patching, three corruptions": ["head-patching-by-position"],
    "… repeated as difference from clean": ["head-patching-change"],
    "CircuitsVis attention for layers 0 and 1": ["attention-layer-0", "attention-layer-1"],
}
PICTURES = {picture.name: picture for picture in figures.PICTURES}


def panels(picture: Picture, subject: NameRecallSubject) -> Sequence[Axes]:
    """The panels of a picture, without its colour bar."""
    with charts.style():
        return [axes for axes in picture.draw(subject).axes if axes.get_title()]


def shown(axes: Axes) -> np.ndarray:
    """The values of a heatmap."""
    return np.asarray(axes.images[0].get_array())


def widths(axes: Axes) -> list[float]:
    """The lengths of the bars of a panel."""
    return [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)]


def test_every_plot_of_the_list_is_drawn() -> None:
    assert [*dict.fromkeys(name for names in ROWS.values() for name in names)] == [*PICTURES]
    assert all(reason.startswith("drawn as still maps") for reason in figures.NOT_DRAWN.values())
    assert registry.pictures_of("name_recall") == figures.PICTURES


@pytest.mark.slow
def test_maps_show_the_logit_difference_of_each_corruption(subject: NameRecallSubject) -> None:
    kinds: dict[str, Kind] = {"residual-patching": "residual", "head-patching": "heads"}
    for name, kind in kinds.items():
        drawn = panels(PICTURES[name], subject)
        for axes, corruption in zip(drawn, CORRUPTIONS, strict=True):
            expected = subject.task.map(kind, corruption)
            assert shown(axes) == pytest.approx(expected.numpy())
        assert len({axes.images[0].get_clim() for axes in drawn}) == 1
        low, high = drawn[0].images[0].get_clim()
        assert low == -high


def test_blue_is_the_right_name_and_red_the_other(subject: NameRecallSubject) -> None:
    image = panels(PICTURES["residual-patching"], subject)[0].images[0]
    (red, _, blue, _), (red2, _, blue2, _) = image.to_rgba(np.array([9e9, -9e9]))
    assert blue > red
    assert red2 > blue2


def test_maps_by_position_have_a_row_for_each_head(subject: NameRecallSubject) -> None:
    drawn = panels(PICTURES["head-patching-by-position"], subject)
    change = panels(PICTURES["head-patching-change"], subject)
    for axes, less, corruption in zip(drawn, change, CORRUPTIONS, strict=True):
        expected = subject.task.map("heads_by_position", corruption).flatten(0, 1).numpy()
        assert shown(axes) == pytest.approx(expected)
        assert shown(less) == pytest.approx(expected - subject.task.metric())
    assert len(drawn[0].get_yticklabels()) == 16


def test_heads_found_by_what_they_do_are_called_by_role(subject: NameRecallSubject) -> None:
    roles = replace(GIVEN, by_index=False, duplicate=())
    found = NameRecallSubject("by role", subject.lens, subject.task.tokenizer, roles=roles)
    drawn = panels(PICTURES["head-patching-by-position"], found)
    labels = [text.get_text() for text in drawn[0].get_yticklabels()]
    assert labels[4] == "previous token 0.4"
    assert labels[8 + 6] == "copying 1.6"
    assert labels[8 + 5] == "1.5"
    assert "duplicate token none" in figures._who(found)


def test_of_many_heads_those_that_matter_most_are_shown(
    originals: dict[str, NameRecallSubject], monkeypatch: pytest.MonkeyPatch
) -> None:
    large = originals["gpt2-small"]
    monkeypatch.setattr(figures, "SHOWN", 5)
    axes = panels(PICTURES["head-patching-change"], large)[0]
    effects = [large.task.effect("heads_by_position", c).abs() for c in CORRUPTIONS]
    largest = np.max([e.amax(-1).numpy() for e in effects], axis=0).ravel()
    chosen = np.sort(largest.argsort()[-5:])
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == [f"{i // 2}.{i % 2}" for i in chosen]
    expected = -large.task.effect("heads_by_position", "last_name").flatten(0, 1)[chosen]
    assert shown(axes) == pytest.approx(expected.numpy())


def test_attention_is_that_of_the_clean_prompts(subject: NameRecallSubject) -> None:
    drawn = panels(PICTURES["attention-layer-1"], subject)
    assert len(drawn) == 8
    expected = subject.task.pattern((1, 3)).numpy()
    found = np.ma.filled(shown(drawn[3]), np.nan)
    assert found[np.tril_indices(12)] == pytest.approx(expected[np.tril_indices(12)])
    assert np.isnan(found[np.triu_indices(12, 1)]).all()
    assert drawn[3].images[0].get_clim() == (0, 1)


def test_the_prompt_test_has_a_bar_for_each_token(
    subject: NameRecallSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean, patched = panels(PICTURES["prompt-test"], subject)
    for axes, lines in (
        (clean, subject.first_steps.likeliest),
        (patched, subject.first_steps.likeliest_when_patched),
    ):
        assert widths(axes) == pytest.approx([p for *_, p in lines])
        labels = [text.get_text() for text in axes.get_yticklabels()]
        assert labels == [f"{token!r} {rank}" for rank, token, *_ in lines]
    names = subject.task.names[0]
    lines = [(0, f" {names.last}", 2.0, 0.6), (1, names.other_last, 1.0, 0.3), (2, "a$b$", 0, 0.1)]
    monkeypatch.setitem(vars(subject.first_steps), "likeliest", lines)
    bars = panels(PICTURES["prompt-test"], subject)[0].patches
    colours = [to_hex(bar.get_facecolor()).upper() for bar in bars]
    assert colours == [charts.BLUE, charts.RED, charts.GREY]
    ticks = panels(PICTURES["prompt-test"], subject)[0].get_yticklabels()
    assert ticks[2].get_text() == r"'a\$b\$' 2"  # no formula


def test_labels_are_words_of_the_document_or_of_every_prompt(
    subject: NameRecallSubject, originals: dict[str, NameRecallSubject]
) -> None:
    small = originals["gelu-2l"]
    (toy, *_), (original, *_) = (panels(PICTURES["residual-patching"], s) for s in (subject, small))
    words = [text.get_text() for text in original.get_xticklabels()]
    assert [words[i] for i in (0, 4, 5, 11)] == ["BOS 0", "Alex 4", "Hart 5", "Alex 11"]
    words = [text.get_text() for text in toy.get_xticklabels()]
    assert [words[i] for i in (1, 4, 5, 11)] == [
        "Her 1", "first name 4", "last name 5", "first name 11",
    ]  # fmt: skip
    assert original.get_title().startswith("last name: Hart → Carroll")
    rows = panels(PICTURES["head-patching-change"], small)[0].get_yticklabels()
    assert [text.get_text() for text in rows][-2:] == ["1.6", "1.7"]


def test_what_a_subject_does_not_have_is_said(
    subject: NameRecallSubject, originals: dict[str, NameRecallSubject]
) -> None:
    one_layer = subject.one_layer_models[0]
    assert len(panels(PICTURES["attention-layer-0"], one_layer)) == 8
    with pytest.raises(CannotDraw, match="has one layer"):
        PICTURES["attention-layer-1"].draw(one_layer)
    with pytest.raises(CannotDraw, match="only for models of two layers"):
        PICTURES["attention-layer-0"].draw(originals["gpt2-small"])


@pytest.mark.slow
def test_the_same_bytes_every_time(subject: NameRecallSubject, tmp_path: Path) -> None:
    chosen = [PICTURES["head-patching"]]
    first, again = (
        [
            file.read_bytes()
            for drawn in drawing.draw(subject, chosen, tmp_path / folder)
            for file in drawn.files
        ]
        for folder in ("first", "again")
    )
    assert len(first) == 2
    assert first == again
