"""Ablate a name mover at the end of the prompt, and see what the rest of the model does about it.

Direct attribution predicts the fall of the logit difference if nothing reacted. What is recovered
of it is split exactly: the final LayerNorm divides by something else, other heads write something
else, MLPs write something else, and the ablated head still writes its mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from replications.analysis.logit_attribution import LogitAttribution
from replications.analysis.statistics import bootstrap_ratio
from replications.models import sites
from replications.models.edits import Edit, put_rows
from replications.systems.ioi.task import Head, Task

RESAMPLES = 2000


@dataclass(frozen=True)
class Ablation:
    """The model before and after a head was mean-ablated at the end."""

    head: Head
    before: LogitAttribution
    after: LogitAttribution

    # ---------------------------------------------------------------- by prompt, float64 [n]
    @cached_property
    def share(self) -> Tensor:
        """The head's direct attribution before."""
        return self.before.heads[self.head]

    @cached_property
    def naive(self) -> Tensor:
        """The logit difference that is left if nothing reacts."""
        return self.before.logit_difference - self.share

    @cached_property
    def recovered(self) -> Tensor:
        """How much more is left."""
        return self.after.logit_difference - self.naive

    # ---------------------------------------------------------------- means
    @property
    def numbers(self) -> dict[str, float]:
        """The four numbers the document prints, in its order."""
        return {
            "clean": self.before.logit_difference.mean().item(),
            "attribution": self.share.mean().item(),
            "naive": self.naive.mean().item(),
            "ablated": self.after.logit_difference.mean().item(),
        }

    @property
    def fall(self) -> float:
        """By how much the logit difference falls."""
        return (self.before.logit_difference - self.after.logit_difference).mean().item()

    @property
    def recovery(self) -> float:
        """What is recovered, as a share of the head's attribution."""
        return (self.recovered.mean() / self.share.mean()).item()

    @cached_property
    def recovery_interval(self) -> dict[str, float]:
        """Recovery with its 95 % bootstrap interval over the prompts."""
        found = bootstrap_ratio(self.recovered, self.share, resamples=RESAMPLES)
        return {"mean": found.mean, "low": found.low, "high": found.high}

    @cached_property
    def recovered_by(self) -> dict[str, float]:
        """Recovery by who brings it; the four shares add up to it."""
        before, after = self.before, self.after
        ratio = before.scale / after.scale
        divided = before.total - before.constant - self.share
        heads = (after.heads - ratio * before.heads).sum((0, 1))
        left = after.heads[self.head]
        parts = {
            "scale": (ratio - 1) * divided,
            "heads": heads - (left - ratio * self.share),
            "mlps": (after.mlps - ratio * before.mlps).sum(0),
            "left": left,
        }
        return {name: (part.mean() / self.share.mean()).item() for name, part in parts.items()}

    @property
    def scale_ratio(self) -> float:
        """Mean of the final LayerNorm's scale before over after, as the document prints it."""
        return (self.before.scale / self.after.scale).mean().item()

    # ---------------------------------------------------------------- heads
    @cached_property
    def changes(self) -> Tensor:
        """Change of each head's attribution, of the ablated one zero: [layer head]."""
        found = (self.after.heads - self.before.heads).mean(-1)
        found[self.head] = 0.0
        return found

    @cached_property
    def changes_beyond_scale(self) -> Tensor:
        """The same less what the final LayerNorm's mean ratio alone would do: [layer head]."""
        grown = self.scale_ratio * self.before.heads.mean(-1)
        found = self.after.heads.mean(-1) - grown
        found[self.head] = 0.0
        return found

    @property
    def left_of_own(self) -> float:
        """The ablated head's attribution after, as a share of before."""
        return (self.after.heads[self.head].mean() / self.share.mean()).item()

    def risers(self, count: int = 5) -> list[Head]:
        """The heads whose attribution rises most, the most first."""
        return top_heads(self.changes, count)


class Backup:
    """Ablations of single heads, each run once."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._done: dict[Head, Ablation] = {}

    def of(self, head: Head) -> Ablation:
        """What happens when this head is ablated."""
        if head not in self._done:
            after = self._task.attribute(self._task.ablate(head))
            self._done[head] = Ablation(head, self._task.attribution, after)
        return self._done[head]

    def frozen(self, head: Head) -> Ablation:
        """The same while every later head and MLP gives what it gave before."""
        edits = [*self._task.ablate(head), *self._held(after=head[0])]
        return Ablation(head, self._task.attribution, self._task.attribute(edits))

    def _held(self, after: int) -> list[Edit]:
        """Edits that keep MLPs from layer `after` on, and heads behind it, at what they gave."""
        shape = self._task.lens.shape
        places = {f"z{i}": sites.Z(i) for i in range(after + 1, shape.n_layers)}
        if not shape.attn_only:
            places |= {f"m{i}": sites.MLP_OUT(i) for i in range(after, shape.n_layers)}
        if not places:
            return []
        values = self._task.lens.run(self._task.batch.tokens, places)
        return [put_rows(place, values[name]) for name, place in places.items()]


def top_heads(values: Tensor, count: int) -> list[Head]:
    """The heads with the largest values of [layer head], the largest first."""
    order = values.flatten().argsort(descending=True)[:count].tolist()
    return [divmod(index, values.shape[1]) for index in order]
