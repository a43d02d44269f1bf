"""Ablate heads at the end of the prompt, and see how the rest of the model reacts.

Section "Backup name mover heads". Direct attribution predicts how far the logit difference would
fall if nothing reacted: this is the naive prediction. What the model recovers of that fall is split
exactly: the final LayerNorm divides by another scale, other heads write something else, MLPs write
something else, and the ablated heads still write their means.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from replications.analysis.logit_attribution import LogitAttribution
from replications.analysis.statistics import bootstrap_ratio, ratio
from replications.models import Edit, Head, put_rows, sites
from replications.systems.ioi.roles import Heads, top_heads
from replications.systems.ioi.task import Task

RESAMPLES = 2000
STANDS_OUT = 0.1
"""Change of attribution, in logits, from which a head stands out in the scatter."""


@dataclass(frozen=True)
class Ablation:
    """The model before and after some heads, usually one, are mean-ablated at the end.

    Attributions are direct logit attributions, in logits; n is the number of prompts.
    """

    ablated: Heads
    before: LogitAttribution
    after: LogitAttribution

    # ---------------------------------------------------------------- by prompt
    @cached_property
    def share(self) -> Tensor:
        """Attribution of the ablated heads before they are ablated: float64 [n]."""
        return _sum_over(self.ablated, self.before.heads)

    @cached_property
    def naive(self) -> Tensor:
        """The naive prediction of the logit difference after ablation: float64 [n]."""
        return self.before.logit_difference - self.share

    @cached_property
    def recovered(self) -> Tensor:
        """Logit difference after ablation less the naive prediction: float64 [n]."""
        return self.after.logit_difference - self.naive

    # ---------------------------------------------------------------- means over prompts
    @property
    def numbers(self) -> dict[str, float]:
        """The four mean logit differences that the document prints, in its order."""
        return {
            "clean": self.before.logit_difference.mean().item(),
            "attribution": self.share.mean().item(),
            "naive": self.naive.mean().item(),
            "ablated": self.after.logit_difference.mean().item(),
        }

    @property
    def naive_share(self) -> float:
        """The naive prediction as a share of the clean logit difference."""
        return ratio(self.numbers["naive"], self.numbers["clean"])

    @property
    def without_scale_after(self) -> Ablation:
        """A wrong preprocessing: after the ablation, attributions are not divided by the scale."""
        after = replace(self.after, heads=self.after.heads * self.after.scale)
        return replace(self, after=after)

    @property
    def recovery(self) -> float:
        """Mean recovered logit difference as a share of the mean attribution that was ablated."""
        return (self.recovered.mean() / self.share.mean()).item()

    @cached_property
    def recovery_interval(self) -> dict[str, float]:
        """Recovery ("mean") with its 95 % bootstrap interval over prompts ("low", "high")."""
        found = bootstrap_ratio(self.recovered, self.share, resamples=RESAMPLES)
        return {"mean": found.mean, "low": found.low, "high": found.high}

    @cached_property
    def recovered_by(self) -> dict[str, float]:
        """Recovery by origin: "scale", "heads", "mlps" and "left", which add up to `recovery`."""
        before, after = self.before, self.after
        factor = before.scale / after.scale
        divided = before.total - before.constant - self.share
        heads = (after.heads - factor * before.heads).sum((0, 1))
        left = _sum_over(self.ablated, after.heads)
        parts = {
            "scale": (factor - 1) * divided,
            "heads": heads - (left - factor * self.share),
            "mlps": (after.mlps - factor * before.mlps).sum(0),
            "left": left,
        }
        return {name: (part.mean() / self.share.mean()).item() for name, part in parts.items()}

    @property
    def repaired(self) -> dict[str, float]:
        """The lower end of the interval of the recovery, and the part that other heads bring."""
        return {"low": self.recovery_interval["low"], "heads": self.recovered_by["heads"]}

    @property
    def unrepaired(self) -> dict[str, float]:
        """The upper end of the interval of the recovery, and the part that other heads bring."""
        return {"high": self.recovery_interval["high"], "heads": self.recovered_by["heads"]}

    @property
    def scale_ratio(self) -> float:
        """Mean over prompts of the final LayerNorm's scale before over after."""
        return (self.before.scale / self.after.scale).mean().item()

    # ---------------------------------------------------------------- changes of heads
    @cached_property
    def changes(self) -> Tensor:
        """Change of each head's mean attribution, zero for ablated heads: [layer head]."""
        return self._others((self.after.heads - self.before.heads).mean(-1))

    @cached_property
    def changes_beyond_scale(self) -> Tensor:
        """`changes` less what multiplying by `scale_ratio` alone would do: [layer head]."""
        grown = self.scale_ratio * self.before.heads.mean(-1)
        return self._others(self.after.heads.mean(-1) - grown)

    def _others(self, values: Tensor) -> Tensor:
        """Values [layer head] with zeros for the ablated heads."""
        for head in self.ablated:
            values[head] = 0.0
        return values

    def left_of(self, head: Head) -> float:
        """Mean attribution of a head after the ablation, as a share of that before."""
        return ratio(self.after.heads[head].mean().item(), self.before.heads[head].mean().item())

    def risers(self, count: int) -> list[Head]:
        """The heads whose attribution rises most, the largest rise first."""
        return top_heads(self.changes, count)

    def rising_after(self, head: Head) -> int:
        """How many of the five largest rises exceed 0.05 in the layer after that of `head`."""
        layer = head[0] + 1
        rises = {risen: self.changes[risen].item() for risen in self.risers(5)}
        return sum(risen[0] == layer and rise > 0.05 for risen, rise in rises.items())

    def largest_rise(self, heads: Heads) -> float:
        """Largest rise among those of `heads` whose attribution was negative before."""
        before = self.before.heads.mean(-1)
        return max((self.changes[h].item() for h in heads if before[h] < 0), default=0.0)

    @property
    def largest_changes(self) -> list[float]:
        """The three changes that are largest in size, with their signs, the largest first.

        In the scatter with the ablated model on x, a head that rises lies below y = x.
        """
        heads = top_heads(self.changes.abs(), 3)
        return [self.changes[head].item() for head in heads]

    @property
    def least_kept(self) -> float:
        """The smallest share of the three largest rises that the final scale does not explain."""
        risers = [head for head in self.risers(3) if self.changes[head] > 0]
        kept = [ratio(self.changes_beyond_scale[h].item(), self.changes[h].item()) for h in risers]
        return min(kept, default=0.0)

    @property
    def typical_change(self) -> float:
        """The median over heads of the relative change of attribution: the distance from y = x."""
        after, before = self.after.heads.mean(-1), self.before.heads.mean(-1)
        return ((after - before).abs() / before.abs().clamp(min=1e-12)).median().item()


class Ablations:
    """Ablations of heads, each run once."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._done: dict[tuple[Heads, bool], Ablation] = {}

    def of(self, heads: Heads, *, later_held: bool = False) -> Ablation:
        """The ablation of some heads together. Without any head, nothing changes.

        With `later_held`, every later head and MLP gives what it gave before the ablation.
        """
        if (heads, later_held) not in self._done:
            edits = self._task.ablate(*heads)
            if later_held:
                edits += self._held(max(layer for layer, _ in heads))
            after = self._task.attribute(edits)
            self._done[heads, later_held] = Ablation(heads, self._task.attribution, after)
        return self._done[heads, later_held]

    def _held(self, layer: int) -> list[Edit]:
        """Hold the MLPs from `layer` on, and the heads of later layers, at their outputs before."""
        shape = self._task.lens.shape
        places = {f"z{i}": sites.Z(i) for i in range(layer + 1, shape.n_layers)}
        if not shape.attn_only:
            places |= {f"m{i}": sites.MLP_OUT(i) for i in range(layer, shape.n_layers)}
        if not places:
            return []
        values = self._task.lens.run(self._task.batch.tokens, places)
        return [put_rows(place, values[name]) for name, place in places.items()]


def _sum_over(heads: Heads, values: Tensor) -> Tensor:
    """The sum over some heads of values [layer head n]: [n]."""
    return sum((values[head] for head in heads), torch.zeros_like(values[0, 0]))
