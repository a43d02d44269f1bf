"""The pictures of the tutorial on name recall, drawn from the numbers that its claims judge.

Originals are drawn on the document's own prompt; toys as a mean over fifty pairs of names, except
for the prompt test, which takes the first pair.  Every picture says which.  Maps hold the
document's metric, the logit of the right last name less that of the other one: blue above zero and
red below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from replications.models import Head
from replications.plotting import charts
from replications.plotting.pictures import CannotDraw, picture
from replications.systems.name_recall.data import (
    CORRUPTIONS,
    END,
    FIRST,
    LAST,
    SENTENCE,
    Corruption,
)
from replications.systems.name_recall.measure import NameRecallSubject
from replications.systems.name_recall.measurements.first_steps import Line

CHANGED: dict[Corruption, str] = {
    "last_name": "last name",
    "first_name": "1st first name",
    "second_name": "2nd first name",
}
PLACES = {0: "BOS", FIRST: "first name", LAST: "last name", END: "first name"}
SHOWN = 24
"""The most heads in a map by position; of more heads, those with the largest effects are shown."""
WIDTH, ROW, LETTER, LINE = 11.0, 0.17, 0.075, 0.19
"""In inches: the width of a picture, and the heights of a row of a map, a letter and a line."""
LESS_CLEAN = replace(charts.DIFFERENCE, unit="change of the\nlogit difference")


# ---------------------------------------------------------------------------------- what it is on
def _on(subject: NameRecallSubject) -> str:
    """The prompts that a picture is measured on, in words."""
    names = subject.task.names
    if len(names) > 1:
        return f"mean over {len(names)} pairs of names in the same sentence"
    return f"prompt: {SENTENCE.format(again=names[0].first, **vars(names[0]))!r}"


def _title(subject: NameRecallSubject, corruption: Corruption) -> str:
    """The title of a panel: what was changed, and the metric of clean and corrupted prompts."""
    task, names = subject.task, subject.task.names
    words = " changed"
    if len(names) == 1:
        n = names[0]
        pair = (n.last, n.other_last) if corruption == "last_name" else (n.first, n.other_first)
        words = f": {pair[0]} → {pair[1]}"
    ends = f"{task.metric():.1f} clean, {task.metric(corruption):.1f} corrupted"
    return f"{CHANGED[corruption]}{words}\n{ends.replace('-', '−')}"


def _positions(subject: NameRecallSubject) -> list[str]:
    """A label for each position: its token, or what stands there in every prompt."""
    tokens = subject.task.tokenizer.strings(subject.task.prompts.clean[0])
    words = PLACES if len(subject.task.prompts) > 1 else {0: PLACES[0]}
    return [f"{words.get(p, _plain(token.strip()))} {p}" for p, token in enumerate(tokens)]


def _plain(token: str) -> str:
    """A token in ASCII, with dollar signs escaped so that they do not start a formula."""
    return token.encode("ascii", "backslashreplace").decode().replace("$", r"\$")


def _metric(subject: NameRecallSubject) -> charts.Scale:
    """The scale of the metric, with the names it compares."""
    names = subject.task.names
    right, other = (names[0].last, names[0].other_last) if len(names) == 1 else ("right", "other")
    return replace(charts.DIFFERENCE, unit=f"logit difference\n{right} − {other}")


# ---------------------------------------------------------------------------------- heads
def _roles(subject: NameRecallSubject) -> dict[str, list[Head]]:
    """The heads of each role, in models of two layers; the document names none in others."""
    if subject.task.layers != 2:
        return {}
    roles = subject.roles
    return {
        "previous token": list(roles.previous),
        "duplicate token": list(roles.duplicate),
        "copying": list(roles.copying),
        "second": list(roles.second),
    }


def _head(subject: NameRecallSubject, head: Head) -> str:
    """The index of a head, after its roles if they were found by what heads do."""
    index = f"{head[0]}.{head[1]}"
    names = [name for name, heads in _roles(subject).items() if head in heads]
    return f"{', '.join(names)} {index}" if names and not subject.roles.by_index else index


def _who(subject: NameRecallSubject) -> str:
    """The heads of every role in one line, empty for models without roles."""
    found = _roles(subject).items()
    if not found:
        return ""
    parts = [
        f"{name} {', '.join(f'{la}.{i}' for la, i in heads) or 'none'}" for name, heads in found
    ]
    how = "heads of the document" if subject.roles.by_index else "heads by their scores"
    return f"\n{how}: {'; '.join(parts)}"


# ---------------------------------------------------------------------------------- the layout
def _maps(
    panels: Mapping[str, Any],
    scale: charts.Scale,
    *,
    x: tuple[str, Sequence[str]],
    y: tuple[str, Sequence[str]],
    title: str,
    columns: int = 3,
) -> Figure:
    """Heatmaps with every tick labelled; `x` and `y` give the name of an axis and its ticks."""
    figure = charts.heatmaps(panels, scale, x=x[0], y=y[0], columns=columns)
    rows = -(-len(panels) // columns)
    around = LETTER * max(map(len, x[1])) + LINE * (3 + title.count("\n"))
    figure.set_size_inches(WIDTH, rows * max(1.3, ROW * len(y[1]) + 0.4) + around)
    *maps, bar = figure.axes
    for axes, name in zip(maps, panels, strict=True):
        charts.ticks(axes, x[1], y[1])
        axes.tick_params(labelsize=8)
        axes.set_title(name, fontsize=9)
    bar.set_ylabel(scale.unit)
    figure.suptitle(title, fontsize=9)
    return figure


# ---------------------------------------------------------------------------------- pictures
@picture(
    "What the model says",
    "The ten likeliest next tokens of one prompt, with probability and logit: as it is, and with "
    "the stream at the last name's position replaced by that of the prompt with the other last "
    "name. Blue: the right last name; red: the other one.",
)
def prompt_test(subject: NameRecallSubject) -> Figure:
    names = subject.task.names[0]
    figure, grid = charts.canvas(2, width=4.6, height=3.4)
    patched = f"after block {subject.task.stored_after} at position {LAST}"
    panels = {
        "clean": subject.first_steps.likeliest,
        f"{names.last} → {names.other_last} {patched}": subject.first_steps.likeliest_when_patched,
    }
    colours = {names.last: charts.BLUE, names.other_last: charts.RED}
    largest = max(lines[0][-1] for lines in panels.values())
    for axes, (title, lines) in zip(grid.flat, panels.items(), strict=True):
        _bars(axes, lines, colours)
        axes.set_xlim(0, 1.7 * largest)  # room for the words beside the longest bar
        axes.set_xticks([at for at in axes.get_xticks() if at <= min(1.0, 1.2 * largest)])
        charts.label(axes, "probability", "token and rank", title)
    prompt = SENTENCE.format(again=names.first, **vars(names))
    figure.suptitle(f"prompt: {prompt!r}", fontsize=9)
    return figure


def _bars(axes: Axes, lines: list[Line], colours: dict[str, str]) -> None:
    """A bar for each line of the prompt test, the likeliest token at the top."""
    chosen = [colours.get(token.strip(), charts.GREY) for _, token, *_ in lines]
    bars = axes.barh(range(len(lines)), [chance for *_, chance in lines], color=chosen)
    words = [f"{chance:.3g}, logit {logit:.1f}" for *_, logit, chance in lines]
    axes.bar_label(bars, [text.replace("-", "−") for text in words], padding=3, fontsize=8)
    axes.set_yticks(range(len(lines)), [f"{_plain(repr(t))} {rank}" for rank, t, *_ in lines])
    axes.invert_yaxis()


@picture(
    "Where the names are in the residual stream",
    "Logit difference with the stream at one row and position replaced by that of a corrupted "
    "prompt, a panel for each corruption. Row 0 is before block 0, row l after block l - 1. "
    "Where the colour differs from that of untouched places, the stream holds the changed name.",
)
def residual_patching(subject: NameRecallSubject) -> Figure:
    return _maps(
        {_title(subject, c): subject.task.map("residual", c) for c in CORRUPTIONS},
        _metric(subject),
        x=("position", _positions(subject)),
        y=("row", ["0 (input)", *(f"{i + 1} (block {i})" for i in range(subject.task.layers))]),
        title=_on(subject),
    )


@picture(
    "Which heads matter",
    "Logit difference with the output of one head, at all positions, replaced by that of a "
    "corrupted prompt, a panel for each corruption. The further from the clean value, the more "
    "the head matters.",
)
def head_patching(subject: NameRecallSubject) -> Figure:
    shape = subject.lens.shape
    return _maps(
        {_title(subject, c): subject.task.map("heads", c) for c in CORRUPTIONS},
        _metric(subject),
        x=("head", [str(head) for head in range(shape.n_heads)]),
        y=("layer", [str(layer) for layer in range(shape.n_layers)]),
        title=_on(subject) + _who(subject),
    )


@picture(
    "Which heads matter where",
    "Logit difference with the output of one head at one position replaced by that of a corrupted "
    "prompt, a panel for each corruption.",
)
def head_patching_by_position(subject: NameRecallSubject) -> Figure:
    maps = {c: subject.task.map("heads_by_position", c) for c in CORRUPTIONS}
    return _by_position(subject, maps, _metric(subject))


@picture(
    "What patching a head at a position changes",
    "The logit difference of the picture before, less that of the clean prompt: white where "
    "nothing depends on the change, red where patching takes the right name away.",
)
def head_patching_change(subject: NameRecallSubject) -> Figure:
    changes = {c: -subject.task.effect("heads_by_position", c) for c in CORRUPTIONS}
    return _by_position(subject, changes, LESS_CLEAN)


def _by_position(
    subject: NameRecallSubject, maps: dict[Corruption, Tensor], scale: charts.Scale
) -> Figure:
    """Maps [layer head pos], a row for each head that is shown."""
    heads = _shown(subject)
    title = _on(subject) + _who(subject)
    if len(heads) < subject.task.layers * subject.lens.shape.n_heads:
        title += f"\nthe {len(heads)} heads with the largest effect at one position"
    return _maps(
        {_title(subject, c): [found[head].tolist() for head in heads] for c, found in maps.items()},
        scale,
        x=("position", _positions(subject)),
        y=("layer.head", [_head(subject, head) for head in heads]),
        title=title,
    )


def _shown(subject: NameRecallSubject) -> list[Head]:
    """All heads in order, or the `SHOWN` heads with the largest effects, over all corruptions.

    Chosen by effects, so that both pictures by position show the same heads.
    """
    effects = [subject.task.effect("heads_by_position", c) for c in CORRUPTIONS]
    largest = np.max([charts.array(e.abs().amax(-1)) for e in effects], axis=0)
    strongest = np.argsort(-largest.ravel(), kind="stable")[:SHOWN]
    return [divmod(int(i), largest.shape[1]) for i in np.sort(strongest)]


@picture(
    "Where the heads of layer 0 look",
    "Attention from each token (row) to itself and those before it (column), a panel for each "
    "head. A previous-token head has a line one below the diagonal; a duplicate-token head looks "
    "from position 11 at position 4.",
)
def attention_layer_0(subject: NameRecallSubject) -> Figure:
    return _attention(subject, 0)


@picture(
    "Where the heads of layer 1 look",
    "Attention from each token (row) to itself and those before it (column), a panel for each "
    "head. A head that copies the last name looks from position 11 at position 5.",
)
def attention_layer_1(subject: NameRecallSubject) -> Figure:
    return _attention(subject, 1)


def _attention(subject: NameRecallSubject, layer: int) -> Figure:
    if layer >= subject.task.layers:
        raise CannotDraw("this model has one layer")
    if subject.task.layers > 2:
        raise CannotDraw("the document shows attention patterns only for models of two layers")
    heads = [(layer, head) for head in range(subject.lens.shape.n_heads)]
    positions = _positions(subject)
    return _maps(
        {_head(subject, head): _causal(subject.task.pattern(head)) for head in heads},
        charts.ATTENTION,
        x=("looked at (source)", positions),
        y=("looks (destination)", positions),
        title=_on(subject) + _who(subject),
        columns=4,
    )


def _causal(pattern: Tensor) -> np.ndarray:
    """A pattern [query key] with NaN for the keys that causal attention hides."""
    found = charts.array(pattern)
    found[np.triu_indices_from(found, 1)] = np.nan
    return found


PICTURES = (
    prompt_test,
    residual_patching,
    head_patching,
    head_patching_by_position,
    head_patching_change,
    attention_layer_0,
    attention_layer_1,
)

NOT_DRAWN = {
    "the interactive view of CircuitsVis": (
        "drawn as still maps, attention-layer-0 and attention-layer-1: circuitsvis 1.43.3 installs "
        "beside torch 2.13 and numpy 2.4 without changing either, but its view loads its script "
        "from unpkg.com and contains a random number, so it needs a network and never has the same "
        "bytes twice"
    ),
}
