"""Name movers and their backups: what claims about ablating one of them measure."""

from __future__ import annotations

from functools import cached_property

import torch

from replications.analysis.statistics import ratio
from replications.systems.ioi.backup import Ablation, Backup, top_heads
from replications.systems.ioi.roles import Heads, Roles
from replications.systems.ioi.task import Head, Task

STANDS_OUT = 0.1
"""Change of attribution from which a head stands out in the scatter."""


class Movers:
    """The intact model, and the model without its name mover."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self._task = task
        self._roles = roles
        self.backup = Backup(task)

    @property
    def ablation(self) -> Ablation:
        """The published experiment: the name mover ablated."""
        return self.backup.of(self._roles.name_mover)

    @cached_property
    def of_outside(self) -> Ablation:
        """A head outside the circuit ablated."""
        return self.backup.of(self._roles.outside[0])

    @cached_property
    def frozen(self) -> Ablation:
        """The name mover ablated, everything later held at what it gave before."""
        return self.backup.frozen(self._roles.name_mover)

    @property
    def repair(self) -> dict[str, float]:
        """Recovery by who brings it, and its 95 % interval over the prompts."""
        return _repair(self.ablation)

    @property
    def repair_held(self) -> dict[str, float]:
        """The same with everything later held at what it gave before."""
        return _repair(self.frozen)

    # ---------------------------------------------------------------- the intact model
    @cached_property
    def direct(self) -> torch.Tensor:
        """Mean direct logit attribution: float64 [layer head]."""
        return self._task.attribution.heads.mean(-1)

    @property
    def top(self) -> list[int]:
        """Layer and head of the largest direct attribution."""
        return [*top_heads(self.direct, 1)[0]]

    @property
    def bottom(self) -> list[int]:
        """Of the smallest: of the largest if IO and S are exchanged."""
        return [*top_heads(-self.direct, 1)[0]]

    @property
    def bottom_is_negative(self) -> int:
        """Whether the smallest attribution is that of a negative name mover: 1 or 0."""
        return int(tuple(self.bottom) in self._roles.negative)

    @property
    def top_is_negative(self) -> int:
        return int(tuple(self.top) in self._roles.negative)

    @property
    def clean(self) -> float:
        """Mean logit difference."""
        return self._task.attribution.logit_difference.mean().item()

    @cached_property
    def abc(self) -> float:
        """Mean of the same difference on prompts with three other names."""
        return self._task.difference(tokens=self._task.abc.tokens).mean().item()

    def share(self, head: Head) -> float:
        """A head's attribution as a share of the clean logit difference."""
        return ratio(self.direct[head].item(), self.clean)

    @property
    def mover_share(self) -> float:
        return self.share(self._roles.name_mover)

    @property
    def negative_share(self) -> float:
        return self.share(self._roles.negative[0])

    @property
    def outside_share(self) -> float:
        return self.share(self._roles.outside[0])

    # ---------------------------------------------------------------- after ablation
    def left(self, *heads: Head) -> float:
        """Logit difference after ablating heads, as a share of the clean one."""
        found = self._task.difference(self._task.ablate(*heads)).mean().item()
        return ratio(found, self.clean)

    @property
    def left_without_mover(self) -> float:
        return self.left(self._roles.name_mover)

    @property
    def left_without_movers(self) -> float:
        """All name movers and backups ablated together."""
        return self.left(*self._roles.name_movers)

    @property
    def naive_share(self) -> float:
        """Logit difference left if nothing reacted, as a share of the clean one."""
        return ratio(self.ablation.numbers["naive"], self.clean)

    @property
    def naive_share_of_outside(self) -> float:
        return ratio(self.of_outside.numbers["naive"], self.clean)

    @property
    def own_left(self) -> float:
        """The name mover's attribution after, as a share of before."""
        return self.ablation.left_of_own

    @property
    def runner_up_left(self) -> float:
        """The same of the next name mover, which is not ablated."""
        head = self._roles.name_movers[1]
        after = self.ablation.after.heads[head].mean().item()
        return ratio(after, self.direct[head].item())

    # ---------------------------------------------------------------- who rises
    def _rising(self, ablation: Ablation) -> int:
        """Of the five heads that rise most, how many rise by 0.05 right behind the name mover."""
        layer = self.ablation.head[0] + 1
        rises = {head: ablation.changes[head].item() for head in ablation.risers(5)}
        return sum(head[0] == layer and rise > 0.05 for head, rise in rises.items())

    @property
    def rising_behind(self) -> int:
        return self._rising(self.ablation)

    @property
    def rising_behind_outside(self) -> int:
        """The same when the ablated head is one outside the circuit."""
        return self._rising(self.of_outside)

    @property
    def scatter_agrees(self) -> float:
        """Overlap (Jaccard) of heads below y = x by 0.1 with as many of the largest changes."""
        return self._agreement(self.ablation.changes)

    @property
    def scatter_with_axes_swapped(self) -> float:
        return self._agreement(-self.ablation.changes)

    def _agreement(self, below: torch.Tensor) -> float:
        stand_out = {(int(i), int(j)) for i, j in (below >= STANDS_OUT).nonzero()}
        distinctive = set(top_heads(self.ablation.changes, max(len(stand_out), 1)))
        return len(stand_out & distinctive) / len(stand_out | distinctive)

    def _largest_rise(self, heads: Heads) -> float:
        """Of heads that were negative before."""
        risen = [self.ablation.changes[h].item() for h in heads if self.direct[h] < 0]
        return max(risen, default=0.0)

    @property
    def negative_rises(self) -> float:
        """The largest rise of a negative name mover."""
        return self._largest_rise(self._roles.negative)

    @property
    def positive_movers_rise(self) -> float:
        """The same asked of name movers, which are not negative."""
        return self._largest_rise(self._roles.name_movers[1:3])

    # ---------------------------------------------------------------- the final LayerNorm
    @property
    def kept_beyond_scale(self) -> dict[str, float]:
        """Of the risers' changes, the least share that the final LayerNorm does not explain.

        `typical` is the median distance of all heads from y = x, as a share of their size.
        """
        return self._beyond_scale(self.ablation)

    @property
    def kept_with_held_scale(self) -> dict[str, float]:
        """The same for what rises when everything later is held: only the scale is left."""
        return self._beyond_scale(self.frozen)

    def _beyond_scale(self, ablation: Ablation) -> dict[str, float]:
        risers = [head for head in ablation.risers(3) if ablation.changes[head] > 0]
        kept = [
            ratio(ablation.changes_beyond_scale[h].item(), ablation.changes[h].item())
            for h in risers
        ]
        after, before = ablation.after.heads.mean(-1), self.direct
        away = ((after - before).abs() / before.abs().clamp(min=1e-12)).flatten()
        return {"least_kept": min(kept, default=0.0), "typical": away.median().item()}

    # ---------------------------------------------------------------- why
    @cached_property
    def _later_risers(self) -> Heads:
        """The three heads behind the ablated one whose attribution rises most."""
        return self._later(self.ablation.risers(self.direct.numel()))

    @cached_property
    def _later_unchanged(self) -> Heads:
        """The three whose attribution changes least."""
        return self._later(top_heads(-self.ablation.changes.abs(), self.direct.numel()))

    def _later(self, heads: list[Head]) -> Heads:
        return tuple(h for h in heads if h[0] > self.ablation.head[0])[:3]

    @property
    def attention_to_io(self) -> dict[str, float]:
        """Change of attention from the end to IO: second of three risers, and negative mover."""
        return self._attention_changes(self._later_risers)

    @property
    def attention_of_unchanged(self) -> dict[str, float]:
        """The same for heads whose attribution does not change."""
        return self._attention_changes(self._later_unchanged)

    def _attention_changes(self, heads: Heads) -> dict[str, float]:
        changes = sorted((self._attention_change(h, "IO") for h in heads), reverse=True)
        return {
            "second_backup": changes[1] if len(changes) > 1 else 0.0,
            "negative": self._attention_change(self._roles.negative[0], "IO"),
        }

    def _attention_change(self, head: Head, key: str) -> float:
        edits = self._task.ablate(self._roles.name_mover)
        after = self._task.attention(head, "end", key, edits)
        return (after - self._task.attention(head, "end", key)).mean().item()

    @property
    def attention_to_source(self) -> list[float]:
        """Change of the two largest risers' attention to where they read most of the answer."""
        return [self._attention_change(h, self._task.source(h)) for h in self._later_risers[:2]]

    @property
    def attention_of_unchanged_to_source(self) -> list[float]:
        """The same for heads whose attribution does not change."""
        return [self._attention_change(h, self._task.source(h)) for h in self._later_unchanged[:2]]

    # ---------------------------------------------------------------- zero or mean
    @property
    def zero_beyond_mean(self) -> float:
        """How much further a zero moves the logit difference than the mean does.

        Of heads outside the circuit, the one whose mean output on ABC prompts is longest.
        """
        return self._zero_beyond_mean(longest=True)

    @property
    def zero_beyond_mean_of_small(self) -> float:
        """The same for the one whose mean output is shortest."""
        return self._zero_beyond_mean(longest=False)

    def _zero_beyond_mean(self, *, longest: bool) -> float:
        sizes = {head: self._mean_size(head) for head in self._roles.outside}
        head = (max if longest else min)(sizes, key=lambda h: sizes[h])
        task = self._task
        clean = task.attribution.logit_difference
        zero, mean = (
            (task.difference(edits) - clean).mean().abs().item()
            for edits in (task.ablate_to_zero(head), task.ablate(head))
        )
        return zero - mean

    def _mean_size(self, head: Head) -> float:
        """Length of a head's mean output at the end of ABC prompts, in the residual stream."""
        rows = torch.arange(len(self._task.batch))
        mean = self._task.mean_z(head)[rows, self._task.batch.end].cpu()
        return (mean @ self._task.lens.weights.W_O[head]).norm(dim=-1).mean().item()


def _repair(ablation: Ablation) -> dict[str, float]:
    interval, by = ablation.recovery_interval, ablation.recovered_by
    return {
        "low": interval["low"],
        "high": interval["high"],
        "scale": by["scale"],
        "heads": by["heads"],
    }
