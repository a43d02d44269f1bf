"""A sweep over many prompt pairs: values of each, means with intervals, CSVs and a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from replications.analysis.statistics import Intervals, bootstrap_means, bootstrap_ratios
from replications.errors import BadInput
from replications.models.sites import Site
from replications.patching.execution import Progress
from replications.patching.pair_pictures import Side, heatmap
from replications.patching.pair_store import Store
from replications.patching.prompt_pair import Question, measure, nearly_coincide
from replications.patching.results import PatchingResult
from replications.patching.token_texts import visible
from replications.plotting.tabular import Tabular

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = (
    *("layer", "head", "pos", "token"),
    *("value", "value_low", "value_high", "effect", "effect_low", "effect_high", "pairs"),
)
EXAMPLE_COLUMNS = ("pair", "layer", "head", "pos", "value", "effect")


@dataclass(frozen=True)
class MeanPlace:
    """One patched place: mean and 95 % interval of the logit difference, and of its recovery.

    `effect` is (mean value - mean base) / (mean source - mean base), so that a pair in which both
    prompts are answered alike does not blow it up. `head` or `pos` is None where all were patched
    together.
    """

    layer: int
    head: int | None
    pos: int | None
    value: tuple[float, float, float]
    """mean, low, high"""
    effect: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class SweptPairs(Tabular):
    """The logit differences of many questions, with each place of a grid patched alone."""

    questions: Sequence[Question]
    site: Site
    into: Side
    found: PatchingResult
    """`values` [*axes pair], float64; `base` and `source` [pair]"""

    @property
    def source(self) -> Side:
        """The prompts that the patches come from."""
        return "clean" if self.into == "corrupted" else "corrupted"

    @cached_property
    def baselines(self) -> dict[Side, Intervals]:
        """Mean and interval of the logit difference of each prompt, unpatched: [1]."""
        both = (
            bootstrap_means(self.found.base[:, None]),
            bootstrap_means(self.found.source[:, None]),
        )
        return dict(zip((self.into, self.source), both, strict=True))

    @cached_property
    def places(self) -> list[MeanPlace]:
        """Every place, in the order of the grid."""
        values = self.found.values.flatten(0, -2).T
        base, source = self.found.base, self.found.source
        means = bootstrap_means(values).rows()
        effects = bootstrap_ratios(values - base[:, None], source - base).rows()
        shape = self.found.values.shape[:-1]
        made = []
        for index, value, effect in zip(product(*map(range, shape)), means, effects, strict=True):
            at = dict(zip(self.found.axes, index, strict=True))
            made.append(MeanPlace(at["layer"], at.get("head"), at.get("pos"), value, effect))
        return made

    def strongest(self, n: int) -> list[MeanPlace]:
        """The n places whose mean moves most, in either direction."""
        return sorted(self.places, key=lambda place: -abs(place.effect[0]))[:n]

    @cached_property
    def coinciding(self) -> list[int]:
        """The pairs, from 0, in which both prompts have nearly the same logit difference."""
        both = zip(self.found.base.tolist(), self.found.source.tolist(), strict=True)
        return [i for i, (base, source) in enumerate(both) if nearly_coincide(base, source)]

    @property
    def means_coincide(self) -> bool:
        """Whether the mean logit differences of both prompts are nearly the same.

        Then the effects, which are shares of their distance, say little.
        """
        return nearly_coincide(self.found.base.mean().item(), self.found.source.mean().item())

    @cached_property
    def tokens(self) -> list[str]:
        """The token at each position, empty unless it is the same in all prompts of all pairs.

        Only for prompts of one length.
        """
        both = [
            question.prompting.labels(prompt)
            for question in self.questions
            for prompt in (question.clean, question.corrupted)
        ]
        there = [set(texts) for texts in zip(*both, strict=True)]
        return [texts.pop() if len(texts) == 1 else "" for texts in there]

    def label(self, pos: int) -> str:
        """A position, with its token if all prompts have the same one there."""
        token = self.tokens[pos]
        return f"{pos} {visible(token)}" if token else str(pos)

    def csv(self) -> str:
        """A row for each place, with `COLUMNS`. Intervals are empty for a single pair."""
        rows = []
        for place in self.places:
            token = "" if place.pos is None else self.tokens[place.pos]
            numbers = map(_number, (*place.value, *place.effect))
            rows.append([place.layer, place.head, place.pos, token, *numbers, len(self.questions)])
        return _table(COLUMNS, rows)

    def examples_csv(self, names: Sequence[object] | None = None) -> str:
        """A row for each pair and place, with `EXAMPLE_COLUMNS`.

        `names` says what pairs are called; by default they are numbered from 0. The effect is a
        share of the pair's own difference, and empty where that is zero.
        """
        names = range(len(self.questions)) if names is None else names
        return _table(EXAMPLE_COLUMNS, list(self._examples(names)))

    def _examples(self, names: Sequence[object]) -> Iterator[list[object]]:
        values, effects = self.found.values, self.found.recovery()
        for pair, name in enumerate(names):
            for place, index in zip(
                self.places, product(*map(range, values.shape[:-1])), strict=True
            ):
                numbers = (_number(of[*index, pair].item()) for of in (values, effects))
                yield [name, place.layer, place.head, place.pos, *numbers]

    @property
    def index(self) -> tuple[str, ...]:
        """The axes of the grid."""
        return self.found.axes

    def columns(self) -> dict[str, list[Any]]:
        """A row for each place: its axes, and mean and interval of value and effect."""
        places = self.places
        found: dict[str, list[Any]] = {
            axis: [getattr(place, axis) for place in places] for axis in self.index
        }
        for name in ("value", "effect"):
            for i, end in enumerate(("", "_low", "_high")):
                found[f"{name}{end}"] = [getattr(place, name)[i] for place in places]
        return found

    def figure(self) -> Figure:
        """The mean effects as a heatmap. Call it inside `charts.style()`.

        Raises BadInput without matplotlib.
        """
        shape = self.found.values.shape[:-1]
        effects = torch.tensor([place.effect[0] for place in self.places]).view(shape)
        title = f"mean of {len(self.questions)} pairs"
        return heatmap(effects, self.found.axes, self.site, self.source, title, self.label)


def _number(value: float) -> str:
    return f"{value:.9g}" if abs(value) < float("inf") else ""


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def sweep_pairs(
    questions: Sequence[Question],
    site: Site,
    axes: str,
    *,
    into: Side = "corrupted",
    store: Store | None = None,
    progress: Progress | None = None,
) -> SweptPairs:
    """Patch each place of `site` along `axes`, one at a time, in every pair.

    Pairs that `store` has are not run again, and each that is finished is kept there. `progress`
    is called with the number of finished pairs. Raises BadInput for axes that the site or the model
    does not have, for prompts of several lengths if positions are patched one by one, and if the
    mean logit difference does not tell the prompts apart.
    """
    if not questions:
        raise BadInput("no pairs: give at least one")
    kept: list[dict[str, Tensor]] = []
    for question in questions:
        found = store.read(question) if store else None
        if found is None:
            found = _measured(question, site, axes, into)
            if store:
                store.write(question, found)
        kept.append(found)
        if progress:
            progress(len(kept), len(questions))
    return _joined(questions, site, axes, into, kept)


def _measured(question: Question, site: Site, axes: str, into: Side) -> dict[str, Tensor]:
    found = measure(question, site, axes, into=into)
    return {name: getattr(found, name).double().cpu() for name in ("values", "base", "source")}


def _joined(
    questions: Sequence[Question], site: Site, axes: str, into: Side, kept: list[dict[str, Tensor]]
) -> SweptPairs:
    shapes = {tuple(each["values"].shape) for each in kept}
    if len(shapes) > 1:
        raise BadInput("the pairs have prompts of several lengths, so positions do not match")
    values, base, source = (
        torch.cat([each[name] for each in kept], -1) for name in ("values", "base", "source")
    )
    if nearly_coincide(base.mean().item(), source.mean().item(), exactly=True):
        raise BadInput(
            f"the mean logit difference is {base.mean():.4g} for both kinds of prompts, so no "
            "place can carry a difference; give other prompts or answers"
        )
    names = tuple(axes.split())
    labels: dict[str, tuple[object, ...]] = {
        name: tuple(range(size)) for name, size in zip(names, values.shape, strict=False)
    }
    return SweptPairs(questions, site, into, PatchingResult(values, names, labels, base, source))
