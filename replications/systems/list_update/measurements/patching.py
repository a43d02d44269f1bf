"""The section "Activation patching": what the clean run has, patched into the corrupted run.

The direction is denoising: the base, which is patched, is the corrupted run, and the source of the
patch is the clean run. Clean and corrupted prompts differ in the index.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from replications.analysis.statistics import bootstrap_mean
from replications.errors import BadInput
from replications.lens import Lens
from replications.models import Head, sites
from replications.patching import Grid, RecoveryMetric, Sweep, sweep, sweeps
from replications.systems.list_update.data import Pairs
from replications.systems.list_update.roles import Roles

SITES = (sites.RESID_PRE, sites.Z, sites.Q, sites.K, sites.V, sites.PATTERN)
PREDICTION, ANYWHERE = "prediction", "anywhere"


class Cell(NamedTuple):
    """One place to patch: a site, a layer, and the name of a position (see `position_of`).

    The position "anywhere" is the one that recovers most on average, in size.
    """

    site: sites.Site
    layer: int
    position: str


def position_of(name: str, pairs: Pairs) -> Tensor:
    """The position with this name in each pair: long [pair].

    "prediction" is where the clean prompt's updated element is predicted, which differs from pair
    to pair; other names are those of `Format.position`. Raises BadInput for an unknown name.
    """
    if name == PREDICTION:
        return pairs.position
    try:
        return torch.full_like(pairs.position, pairs.format.position(name))
    except BadInput as error:
        raise BadInput(f"{error}, {PREDICTION}, {ANYWHERE}") from None


class Patching:
    """How much of the clean behaviour each patched place recovers, on some pairs of prompts.

    The recovered share is 1 on clean logits and 0 on corrupted ones, for the logit of the new
    element less that of the old one where the clean prompt's updated element is predicted.

    `source` and `base` are tokens [pair pos] to use in place of the clean and corrupted prompts of
    the pairs, which go on to say where logits are read and of which answers.
    """

    def __init__(
        self,
        lens: Lens,
        pairs: Pairs,
        roles: Roles,
        *,
        source: Tensor | None = None,
        base: Tensor | None = None,
    ) -> None:
        self._lens = lens
        self.prompts = pairs
        self._roles = roles
        self._source = pairs.clean if source is None else source
        self._base = pairs.corrupted if base is None else base

    # ---------------------------------------------------------------- other prompts
    @cached_property
    def exchanged(self) -> Patching:
        """The same question, with the clean and the corrupted prompts exchanged (noising)."""
        swapped = {"source": self._base, "base": self._source}
        return Patching(self._lens, self.prompts, self._roles, **swapped)

    @cached_property
    def element_corrupted(self) -> Patching:
        """The same clean prompts; in the corrupted ones the new element differs, not the index."""
        base = corrupt_element(self.prompts)
        return Patching(self._lens, self.prompts, self._roles, base=base)

    # ---------------------------------------------------------------- the two ends
    @cached_property
    def metric(self) -> RecoveryMetric:
        """The recovered share, as a function of logits."""
        p, tokens = self.prompts, (self._source, self._base)
        return RecoveryMetric.between(self._lens, tokens, p.position, p.correct, p.incorrect)

    def ends(self, interval: bool = False) -> dict[str, float]:
        """The mean logit difference, new element less old, on clean and on corrupted prompts.

        With `interval`, each has three entries; see `described`.
        """
        ends = {"clean": self.metric.clean, "corrupted": self.metric.corrupted}
        return described(ends, interval)

    # ---------------------------------------------------------------- sweeps
    @cached_property
    def _sweeps(self) -> Mapping[sites.Site, Sweep]:
        grids = [Grid(site, "layer pos") for site in SITES]
        tokens = (self._base, self._source)
        found = sweeps(self._lens, *tokens, grids, self._answers, at=self.prompts.position)
        return dict(zip(SITES, found, strict=True))

    @property
    def _answers(self) -> Tensor:
        return torch.stack([self.prompts.correct, self.prompts.incorrect], dim=1)

    def swept(self, site: sites.Site) -> Tensor:
        """The recovered share with each place of one of SITES patched: float64 [layer pos pair]."""
        return self.metric.share(self._sweeps[site].values)

    def mean_share(self, site: sites.Site, index: int) -> Tensor:
        """Its mean over the pairs whose clean prompt updates `index`: float64 [layer pos]."""
        return self.swept(site)[..., self.prompts.index == index].mean(-1)

    def at_element(self, site: sites.Site) -> float:
        """The mean share recovered at the new element in the copying layer, by one patch alone."""
        place = site(self._roles.copying[0]).pick(pos=self.prompts.format.element_position)
        tokens = (self._base, self._source)
        found = sweep(self._lens, *tokens, [place], self._answers, at=self.prompts.position)
        return self.metric.share(found.values[0]).mean().item()

    def _share(self, cell: Cell) -> Tensor:
        """The recovered share of a cell in each pair: [pair]."""
        swept = self.swept(cell.site)[cell.layer]  # [pos pair]
        if cell.position == ANYWHERE:
            return swept[swept.mean(-1).abs().argmax()]
        return swept.gather(0, position_of(cell.position, self.prompts)[None])[0]

    def _shares(self, interval: bool, **cells: Cell) -> dict[str, float]:
        return described({name: self._share(cell) for name, cell in cells.items()}, interval)

    # ---------------------------------------------------------------- findings
    def stream(self, interval: bool = False, *, position: str = "element") -> dict[str, float]:
        """The share recovered by the stream before the copying layer at a named position."""
        return self.layer_1(interval, site=sites.RESID_PRE, position=position)

    def layer_0(
        self, interval: bool = False, *, anywhere: sites.Site | None = None
    ) -> dict[str, float]:
        """Shares recovered by the output of layer 0 at the element, and by its value at the index.

        `anywhere` takes in the place of both one site of layer 0, wherever it recovers most.
        """
        layer, _ = self._roles.previous
        output, value = Cell(sites.Z, layer, "element"), Cell(sites.V, layer, "index")
        if anywhere is not None:
            output = value = Cell(anywhere, layer, ANYWHERE)
        return self._shares(interval, output_at_element=output, value_at_index=value)

    def layer_1(
        self,
        interval: bool = False,
        *,
        site: sites.Site = sites.K,
        position: str = "element",
    ) -> dict[str, float]:
        """The share recovered by one site of the copying layer at a named position."""
        layer, _ = self._roles.copying
        return self._shares(interval, recovered=Cell(site, layer, position))

    def at_prediction(
        self, interval: bool = False, *, head: Head | None = None
    ) -> dict[str, float]:
        """Shares recovered by a head's pattern and output where the answer is predicted.

        The head is the copying head unless told otherwise.
        """
        layer, _ = self._roles.copying if head is None else head
        pattern, output = (Cell(site, layer, PREDICTION) for site in (sites.PATTERN, sites.Z))
        return self._shares(interval, pattern=pattern, output=output)

    # ---------------------------------------------------------------- all other places
    @property
    def _important(self) -> tuple[Cell, ...]:
        """The places that the document's account of the circuit names."""
        first, last = self._roles.previous[0], self._roles.copying[0]
        return (
            Cell(sites.RESID_PRE, last, "element"),
            Cell(sites.Z, first, "element"),
            Cell(sites.V, first, "index"),
            Cell(sites.K, last, "element"),
            Cell(sites.PATTERN, last, PREDICTION),
            Cell(sites.Z, last, PREDICTION),
        )

    @cached_property
    def largest_other(self) -> float:
        """The largest mean share, in size, of any place that is not important.

        The stream before layer 0 is left out: it holds the tokens, so what it recovers is decided
        by the prompts. Positions after the prediction are hidden by causal attention.
        """
        return max(self._others(site).mean(-1).abs().max().item() for site in SITES)

    def _others(self, site: sites.Site) -> Tensor:
        """The recovered shares of a site, with 0 at important places: [layer pos pair]."""
        others = self.swept(site).clone()
        pos = torch.arange(others.shape[1])[:, None]
        others[:, pos > self.prompts.position] = 0.0
        if site == sites.RESID_PRE:
            others[0] = 0.0
        for cell in self._important:
            if cell.site == site:
                at = position_of(cell.position, self.prompts)
                others[cell.layer].scatter_(0, at[None], 0.0)
        return others


def corrupt_element(pairs: Pairs) -> Tensor:
    """The clean prompts with a new element that is neither of the answers: long [pair pos]."""
    tokens, format = pairs.clean.clone(), pairs.format
    other = (pairs.correct + 1) % format.numbers
    other = torch.where(other == pairs.incorrect, (other + 1) % format.numbers, other)
    rows = torch.arange(len(tokens))
    tokens[:, format.element_position] = other
    tokens[rows, format.answer_positions.start + pairs.index] = other
    return tokens


def described(values: Mapping[str, Tensor], interval: bool = False) -> dict[str, float]:
    """The mean of each of `values` [pair].

    With `interval`, three entries for each: "NAME_mean", and both ends of its 95 % bootstrap
    interval, "NAME_low" and "NAME_high".
    """
    if not interval:
        return {name: value.mean().item() for name, value in values.items()}
    found: dict[str, float] = {}
    for name, value in values.items():
        mean = bootstrap_mean(value)
        found |= {f"{name}_mean": mean.mean, f"{name}_low": mean.low, f"{name}_high": mean.high}
    return found
