"""Activation patching from clean prompts into prompts with another index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from replications.analysis.statistics import MeanInterval, bootstrap_mean
from replications.lens import Lens
from replications.models import sites
from replications.patching import Grid, RecoveryMetric, Sweep, logit_difference, sweep, sweeps
from replications.systems.list_update.data import Pairs

SITES = (sites.RESID_PRE, sites.Z, sites.Q, sites.K, sites.V, sites.PATTERN)
Cell = tuple[sites.Site, int, str]
"""A site, a layer, and a position by its role in the pair: index, element, prediction …"""

IDX_STREAM: Cell = (sites.RESID_PRE, 0, "index")
ELT_STREAM: Cell = (sites.RESID_PRE, 1, "element")
OUT_0: Cell = (sites.Z, 0, "element")
VALUE_0: Cell = (sites.V, 0, "index")
KEY_1: Cell = (sites.K, 1, "element")
PATTERN_1: Cell = (sites.PATTERN, 1, "prediction")
OUT_1: Cell = (sites.Z, 1, "prediction")
HOT = (IDX_STREAM, ELT_STREAM, OUT_0, VALUE_0, KEY_1, PATTERN_1, OUT_1)


class Patches:
    """How much of the clean behaviour each patched place brings back, on some pairs of prompts.

    The share is 1 on clean logits and 0 on corrupted ones.  Positions are named by their role;
    "prediction" is where the clean prompt's updated element is predicted, which differs from pair
    to pair.
    """

    def __init__(self, lens: Lens, pairs: Pairs, corrupted: Tensor | None = None) -> None:
        self._lens = lens
        self._pairs = pairs
        self._corrupted = pairs.corrupted if corrupted is None else corrupted

    @cached_property
    def element_corrupted(self) -> Patches:
        """The same pairs with the new element changed in place of the index."""
        pairs, task = self._pairs, self._pairs.task
        tokens = pairs.clean.clone()
        other = (pairs.correct + 1) % task.numbers
        other = torch.where(other == pairs.incorrect, (other + 1) % task.numbers, other)
        rows = torch.arange(len(tokens))
        tokens[:, task.element_position] = other
        tokens[rows, task.answer_positions.start + pairs.index] = other
        return Patches(self._lens, pairs, tokens)

    # ---------------------------------------------------------------- the two ends
    @cached_property
    def metric(self) -> RecoveryMetric:
        p = self._pairs
        tokens = (p.clean, self._corrupted)
        return RecoveryMetric.between(self._lens, tokens, p.position, p.correct, p.incorrect)

    @cached_property
    def ends(self) -> dict[str, float]:
        """Logit of the new element less that of the old: mean on clean and corrupted prompts."""
        return {
            "clean": self.metric.clean.mean().item(),
            "corrupted": self.metric.corrupted.mean().item(),
        }

    @cached_property
    def ends_swapped(self) -> dict[str, float]:
        return {"clean": self.ends["corrupted"], "corrupted": self.ends["clean"]}

    @cached_property
    def ends_interval(self) -> dict[str, float]:
        """Their means with bootstrap intervals."""
        clean = _interval("clean", bootstrap_mean(self.metric.clean))
        return clean | _interval("corrupted", bootstrap_mean(self.metric.corrupted))

    @cached_property
    def ends_interval_swapped(self) -> dict[str, float]:
        clean = _interval("clean", bootstrap_mean(self.metric.corrupted))
        return clean | _interval("corrupted", bootstrap_mean(self.metric.clean))

    @cached_property
    def endpoints(self) -> dict[str, float]:
        """The patching metric itself on clean and on corrupted logits."""
        clean, corrupted = (
            self.metric(self._lens.run(tokens).logits).mean().item()
            for tokens in (self._pairs.clean, self._corrupted)
        )
        return {"clean": clean, "corrupted": corrupted}

    @cached_property
    def differences(self) -> dict[str, float]:
        """The difference of logits on both, not normalised."""
        p = self._pairs
        clean, corrupted = (
            logit_difference(self._lens.run(t).logits, p.position, p.correct, p.incorrect)
            for t in (p.clean, self._corrupted)
        )
        return {"clean": clean.mean().item(), "corrupted": corrupted.mean().item()}

    # ---------------------------------------------------------------- sweeps
    @cached_property
    def _all(self) -> Mapping[sites.Site, Sweep]:
        pairs, answers = self._pairs, self._answers
        tokens = (self._corrupted, pairs.clean)
        grids = [Grid(site, "layer pos") for site in SITES]
        found = sweeps(self._lens, *tokens, grids, answers, at=pairs.position)
        return dict(zip(SITES, found, strict=True))

    @property
    def _answers(self) -> Tensor:
        return torch.stack([self._pairs.correct, self._pairs.incorrect], dim=1)

    def swept(self, site: sites.Site) -> Tensor:
        """Recovered share by place, for one of SITES: float64 [layer pos pair]."""
        return self.metric.share(self._all[site].values)

    def mean_share(self, site: sites.Site, index: int) -> Tensor:
        """Its mean over the pairs whose clean prompt updates `index`: float64 [layer pos]."""
        return self.swept(site)[..., self._pairs.index == index].mean(-1)

    def at_element(self, site: sites.Site, layer: int) -> float:
        """The mean recovered share at the new element's position, by one patch alone."""
        place = site(layer).pick(pos=self._pairs.task.element_position)
        tokens = (self._corrupted, self._pairs.clean)
        found = sweep(self._lens, *tokens, [place], self._answers, at=self._pairs.position)
        return self.metric.share(found.values[0]).mean().item()

    def _position(self, role: str) -> Tensor:
        """The position a role names in each pair: long [pair]."""
        task, pairs = self._pairs.task, self._pairs
        fixed = {"index": task.index_position, "element": task.element_position}
        if role in fixed:
            return torch.full_like(pairs.position, fixed[role])
        if role == "prediction":
            return pairs.position
        step = 1 if role == "next" else -1
        return pairs.position + step

    def _cell(self, cell: Cell) -> Tensor:
        """The recovered share of a cell in each pair: [pair]."""
        site, layer, role = cell
        return self.swept(site)[layer].gather(0, self._position(role)[None])[0]

    def _means(self, **cells: Cell) -> dict[str, float]:
        return {name: self._cell(cell).mean().item() for name, cell in cells.items()}

    def _intervals(self, **cells: Cell) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, cell in cells.items():
            found |= _interval(name, bootstrap_mean(self._cell(cell)))
        return found

    def _largest_other(self, among: Sequence[sites.Site]) -> float:
        """The largest mean share, in size, of any place that is not hot.

        Positions after the prediction are left out: causal attention hides them.
        """
        largest = 0.0
        for site in among:
            cold = self.swept(site).clone()
            pos = torch.arange(cold.shape[1])[:, None]
            cold[:, pos > self._pairs.position] = 0.0
            for hot, layer, role in HOT:
                if hot == site:
                    cold[layer].scatter_(0, self._position(role)[None], 0.0)
            largest = max(largest, cold.mean(-1).abs().max().item())
        return largest

    # ---------------------------------------------------------------- findings
    @cached_property
    def stream(self) -> dict[str, float]:
        """Residual stream: the index before layer 0, the element before layer 1, any other."""
        found = self._means(index_before_0=IDX_STREAM, element_before_1=ELT_STREAM)
        return found | {"largest_other": self._largest_other([sites.RESID_PRE])}

    @cached_property
    def stream_interval(self) -> dict[str, float]:
        found = self._intervals(index_before_0=IDX_STREAM, element_before_1=ELT_STREAM)
        return found | {"largest_other": self._largest_other([sites.RESID_PRE])}

    @cached_property
    def layer_0(self) -> dict[str, float]:
        """Layer 0: output at the element, value at the index."""
        return self._means(output_at_element=OUT_0, value_at_index=VALUE_0)

    @cached_property
    def layer_0_interval(self) -> dict[str, float]:
        return self._intervals(output_at_element=OUT_0, value_at_index=VALUE_0)

    @cached_property
    def layer_0_query_and_key(self) -> dict[str, float]:
        """Query at the element and key at the index, in their place."""
        return self._means(
            output_at_element=(sites.Q, 0, "element"), value_at_index=(sites.K, 0, "index")
        )

    @cached_property
    def layer_0_query_and_key_interval(self) -> dict[str, float]:
        return self._intervals(
            output_at_element=(sites.Q, 0, "element"), value_at_index=(sites.K, 0, "index")
        )

    @cached_property
    def key_1(self) -> float:
        """Layer 1: key at the element."""
        return self._cell(KEY_1).mean().item()

    @cached_property
    def key_1_interval(self) -> dict[str, float]:
        return self._intervals(key_at_element=KEY_1)

    @cached_property
    def value_1(self) -> float:
        """Layer 1: value at the element."""
        return self._cell((sites.V, 1, "element")).mean().item()

    @cached_property
    def query_1(self) -> float:
        """Layer 1: query at the prediction."""
        return self._cell((sites.Q, 1, "prediction")).mean().item()

    @cached_property
    def query_1_interval(self) -> dict[str, float]:
        return self._intervals(key_at_element=(sites.Q, 1, "prediction"))

    @cached_property
    def value_1_interval(self) -> dict[str, float]:
        return self._intervals(key_at_element=(sites.V, 1, "element"))

    @cached_property
    def layer_1(self) -> dict[str, float]:
        """Layer 1: pattern and output at the prediction, and any other place of a head."""
        found = self._means(pattern=PATTERN_1, output=OUT_1)
        return found | {"largest_other": self._largest_other(SITES[1:])}

    @cached_property
    def layer_1_interval(self) -> dict[str, float]:
        found = self._intervals(pattern=PATTERN_1, output=OUT_1)
        return found | {"largest_other": self._largest_other(SITES[1:])}

    @cached_property
    def layer_1_before(self) -> dict[str, float]:
        """The same one position before the prediction."""
        found = self._means(pattern=(sites.PATTERN, 1, "before"), output=(sites.Z, 1, "before"))
        return found | {"largest_other": self._largest_other(SITES[1:])}

    @cached_property
    def layer_1_before_interval(self) -> dict[str, float]:
        found = self._intervals(pattern=(sites.PATTERN, 1, "before"), output=(sites.Z, 1, "before"))
        return found | {"largest_other": self._largest_other(SITES[1:])}


def _interval(name: str, found: MeanInterval) -> dict[str, float]:
    return {f"{name}_mean": found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
