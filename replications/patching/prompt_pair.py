"""Patch a model on two prompts of the user's own: which places carry what makes the answers differ?

A `Question` is two prompts of one length and a logit difference that tells them apart. A
`PatchedPair` is that logit difference with each place of one prompt's run replaced by the other's:
numbers, the strongest places, a CSV and a picture.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models.network import Network
from replications.models.prompting import Prompting
from replications.models.sites import Site
from replications.patching.activation import Sweep, sweep
from replications.patching.execution import Execution, Progress
from replications.patching.grid import Grid
from replications.patching.pair_pictures import Side, heatmap
from replications.patching.single_prompt import check_known, output_of, position_in, said
from replications.patching.token_texts import apart, visible
from replications.plotting.tabular import Tabular

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = (
    *("layer", "head", "pos", "token", "corrupted_token", "value", "effect"),
    *("token_id", "corrupted_token_id"),
)
SAME, NEAR = 1e-4, 0.05
"""Logit differences closer than this count as equal, or nearly so; relative to the larger one, if
above 1."""


@dataclass(frozen=True, eq=False)
class Question:
    """Two prompts, long [1 pos], and what is measured: logit(answer) - logit(against).

    Logits are read at position `at`. Made by `ask`.
    """

    network: Network
    prompting: Prompting
    clean: Tensor
    corrupted: Tensor
    answer: int
    against: int
    at: int

    @property
    def measured(self) -> str:
        """The logit difference in words."""
        outputs = self.answer, self.against
        first, second = apart(
            (self.prompting.name(outputs[0]), self.prompting.name(outputs[1])), outputs
        )
        return f"logit({first}) − logit({second})"

    def tokens_at(self, pos: int) -> tuple[str, str]:
        """What the clean prompt and the corrupted one have at a position."""
        return (
            self.prompting.labels(self.clean)[pos],
            self.prompting.labels(self.corrupted)[pos],
        )

    def ids_at(self, pos: int) -> tuple[int, int]:
        """The tokens themselves, in the same order."""
        return int(self.clean[0, pos]), int(self.corrupted[0, pos])

    def label(self, pos: int) -> str:
        """A position with its token: "3 John", or "3 John|Mary" where the prompts differ."""
        words = dict.fromkeys(apart(self.tokens_at(pos), self.ids_at(pos)))
        return f"{pos} {'|'.join(words)}"

    @property
    def differ(self) -> list[str]:
        """The positions at which the prompts differ, labelled."""
        return [self.label(i) for i in (self.clean != self.corrupted)[0].nonzero()[:, 0].tolist()]


def ask(
    network: Network,
    prompting: Prompting,
    clean: str,
    corrupted: str,
    *,
    answer: str | None = None,
    against: str | None = None,
    position: int | None = None,
) -> Question:
    """Two prompts, and the two answers to compare.

    `answer` defaults to what the model says to the clean prompt, `against` to what it says to the
    corrupted one, unless the task fixes both. `position` is where the logits are read: by default
    the end, and counted from there if negative.

    Raises BadInput for prompts or answers that the model cannot take, prompts that are equal or of
    different lengths, or answers that are the same.
    """
    tokens = prompting.tokens(clean), prompting.tokens(corrupted)
    _comparable(prompting, *tokens)
    check_known(network, prompting, *tokens)
    at = position_in(prompting.reads_at if position is None else position, tokens[0].shape[1])
    fixed = prompting.contrast or (None, None)
    chosen = []
    for word, prompt, default in zip((answer, against), tokens, fixed, strict=True):
        if word is not None:
            chosen.append(output_of(network, prompting, word))
        else:
            chosen.append(said(network, prompt, at) if default is None else default)
    if chosen[0] == chosen[1]:
        both = "both answers are" if answer or against else "the model says to both prompts"
        raise BadInput(
            f"{both} {prompting.name(chosen[0])!r}, so there is no difference to measure; give two "
            "answers (--answer and --against)"
        )
    return Question(network, prompting, *tokens, chosen[0], chosen[1], at)


def _comparable(prompting: Prompting, clean: Tensor, corrupted: Tensor) -> None:
    if clean.shape != corrupted.shape:
        cut = (
            f"{tokens.shape[1]} ({'·'.join(map(visible, prompting.labels(tokens)))})"
            for tokens in (clean, corrupted)
        )
        raise BadInput(
            f"the prompts have different numbers of tokens, {' and '.join(cut)}; positions can "
            "only be matched if there are as many in both"
        )
    if clean.equal(corrupted):
        raise BadInput(
            "the two prompts are the same tokens: change at least one word of one of them"
        )


@dataclass(frozen=True)
class PatchedPlace:
    """One patched place, with the logit difference measured (`value`) and its recovery (`effect`).

    `head` or `pos` is None where all heads or positions were patched together.
    """

    layer: int
    head: int | None
    pos: int | None
    value: float
    effect: float


@dataclass(frozen=True, eq=False)
class PatchedPair(Tabular):
    """The logit difference of a question, with each place of a grid patched alone."""

    question: Question
    site: Site
    into: Side
    found: Sweep

    @property
    def source(self) -> Side:
        """The prompt that the patches come from."""
        return "clean" if self.into == "corrupted" else "corrupted"

    @property
    def baselines(self) -> dict[Side, float]:
        """The logit difference of each prompt, unpatched."""
        both = self.found.base.item(), self.found.source.item()
        return dict(zip((self.into, self.source), both, strict=True))

    @cached_property
    def places(self) -> list[PatchedPlace]:
        """Every place, in the order of the grid."""
        values, effects = (of[..., 0] for of in (self.found.values, self.found.recovery()))
        made = []
        for index in product(*map(range, values.shape)):
            at = dict(zip(self.found.axes, index, strict=True))
            numbers = values[index].item(), effects[index].item()
            made.append(PatchedPlace(at["layer"], at.get("head"), at.get("pos"), *numbers))
        return made

    def strongest(self, n: int) -> list[PatchedPlace]:
        """The n places that move the logit difference most, in either direction."""
        return sorted(self.places, key=lambda place: -abs(place.effect))[:n]

    def csv(self) -> str:
        """A row for each place, with `COLUMNS`.

        Head, or position and tokens, are empty where all of them were patched together.
        """
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(COLUMNS)
        for place in self.places:
            tokens, ids = self._tokens_of(place)
            numbers = (f"{number:.9g}" for number in (place.value, place.effect))
            rows.writerow([place.layer, place.head, place.pos, *tokens, *numbers, *ids])
        return text.getvalue()

    def _tokens_of(self, place: PatchedPlace) -> tuple[tuple[str, ...], tuple[int | str, ...]]:
        """Texts and numbers of the tokens at a place, empty where positions were not patched."""
        if place.pos is None:
            return ("", ""), ("", "")
        return self.question.tokens_at(place.pos), self.question.ids_at(place.pos)

    @property
    def index(self) -> tuple[str, ...]:
        """The axes of the grid."""
        return self.found.axes

    def columns(self) -> dict[str, list[Any]]:
        """A row for each place: its axes, tokens if it has a position, `value` and `effect`."""
        places = self.places
        found: dict[str, list[Any]] = {
            axis: [getattr(place, axis) for place in places] for axis in self.index
        }
        if "pos" in found:
            both = [self.question.tokens_at(pos) for pos in found["pos"]]
            found |= {name: [t[i] for t in both] for i, name in enumerate(COLUMNS[3:5])}
        return found | {
            "value": [place.value for place in places],
            "effect": [place.effect for place in places],
        }

    def figure(self) -> Figure:
        """The effects as a heatmap: layers by heads or positions, or a panel for each layer.

        Panels begin at the first position with any effect. Call it inside `charts.style()`.
        Raises BadInput without matplotlib.
        """
        return heatmap(
            self.found.recovery()[..., 0], self.found.axes, self.site, self.source,
            self.question.measured, self.question.label,
        )  # fmt: skip


def patch(
    question: Question,
    site: Site,
    axes: str,
    *,
    into: Side = "corrupted",
    progress: Progress | None = None,
) -> PatchedPair:
    """Patch each place of `site` along `axes` ("layer pos", "layer head" …), one at a time.

    Places of the run on the prompt `into`, the base run, get what the other prompt's run has there.
    Raises BadInput for axes that the site or the model does not have, or if the logit difference
    does not tell the prompts apart.
    """
    found = measure(question, site, axes, into=into, progress=progress)
    low, high = found.base.item(), found.source.item()
    if nearly_coincide(low, high, exactly=True):
        raise BadInput(
            f"{question.measured} is {low:.4g} on both prompts, so no place can carry a "
            "difference; give other prompts, or other answers (--answer and --against)"
        )
    return PatchedPair(question, site, into, found)


def measure(
    question: Question,
    site: Site,
    axes: str,
    *,
    into: Side = "corrupted",
    progress: Progress | None = None,
) -> Sweep:
    """What `patch` measures, also if the prompts are not told apart: values [*axes 1]."""
    base, source = question.corrupted, question.clean
    if into == "clean":
        base, source = source, base
    answers = torch.tensor([[question.answer, question.against]])
    return sweep(
        question.network, base, source, Grid(site, axes), answers, at=question.at,
        execution=Execution(progress=progress),
    )  # fmt: skip


def nearly_coincide(first: float, second: float, *, exactly: bool = False) -> bool:
    """Whether two logit differences are so close that shares of their distance say little.

    With `exactly`: whether they are equal but for rounding.
    """
    apart_by = SAME if exactly else NEAR
    return abs(first - second) < apart_by * max(1.0, abs(first), abs(second))
