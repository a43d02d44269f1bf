"""Section "Backup name mover heads": the intact model, and the model without its name mover."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from replications.analysis.statistics import ratio
from replications.models import Head, sites
from replications.systems.ioi.measurements.ablation import Ablation, Ablations
from replications.systems.ioi.roles import Heads, Roles, top_heads
from replications.systems.ioi.task import Task


class NameMovers:
    """Direct attribution of heads, and the ablation of the most important name mover."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self._task = task
        self._roles = roles
        self._ablations = Ablations(task)

    # ---------------------------------------------------------------- the intact model
    @cached_property
    def direct(self) -> Tensor:
        """Mean direct logit attribution, in logits: float64 [layer head]."""
        return self._task.attribution.heads.mean(-1)

    @property
    def largest(self) -> list[int]:
        """Layer and head of the largest direct attribution."""
        return [*top_heads(self.direct, 1)[0]]

    @property
    def smallest(self) -> list[int]:
        """Layer and head of the smallest: the largest if IO and S were exchanged."""
        return [*top_heads(-self.direct, 1)[0]]

    def is_negative(self, head: list[int]) -> int:
        """1 if this layer and head is a negative name mover, else 0."""
        return int(tuple(head) in self._roles.negative)

    @property
    def clean(self) -> float:
        """Mean logit difference on the prompts."""
        return self._task.attribution.logit_difference.mean().item()

    @cached_property
    def on_abc(self) -> float:
        """Mean logit difference of the same two names on ABC prompts."""
        return self._task.difference(tokens=self._task.abc.tokens).mean().item()

    @property
    def longest(self) -> list[int]:
        """Layer and head with the longest output at the end, whatever it says of the answer."""
        task = self._task
        rows, lens = torch.arange(len(task.batch)), task.lens
        places = {f"z{layer}": sites.Z(layer) for layer in range(lens.shape.n_layers)}
        run = lens.run(task.batch.tokens, places)
        z = torch.stack([run[name][rows, task.batch.end] for name in places]).double()
        W_O = lens.weights.W_O.double().to(z.device)
        written = torch.einsum("lnhk,lhkd->lhnd", z, W_O)
        return [*top_heads(written.norm(dim=-1).mean(-1), 1)[0]]

    def share(self, *heads: Head) -> float:
        """Direct attribution of heads together, as a share of the clean logit difference."""
        return ratio(sum(self.direct[head].item() for head in heads), self.clean)

    # ---------------------------------------------------------------- after ablation
    @property
    def ablation(self) -> Ablation:
        """The published experiment: the name mover is ablated."""
        return self.without(self._roles.name_mover)

    @property
    def held(self) -> Ablation:
        """The name mover is ablated, and every later part gives what it gave before."""
        return self._ablations.of((self._roles.name_mover,), later_held=True)

    def without(self, *heads: Head) -> Ablation:
        """Any heads are ablated together. Without any head, nothing changes."""
        return self._ablations.of(heads)

    def left(self, *heads: Head) -> float:
        """Logit difference after ablating heads together, as a share of the clean one."""
        found = self._task.difference(self._task.ablate(*heads)).mean().item()
        return ratio(found, self.clean)

    # ---------------------------------------------------------------- why backups change
    @cached_property
    def backups(self) -> Heads:
        """Of the heads after the ablated one, the three whose attribution rises most."""
        return self._later(self.ablation.risers(self.direct.numel()))

    @cached_property
    def unchanged(self) -> Heads:
        """Of the heads after the ablated one, the three whose attribution changes least."""
        return self._later(top_heads(-self.ablation.changes.abs(), self.direct.numel()))

    def _later(self, heads: list[Head]) -> Heads:
        return tuple(h for h in heads if h[0] > self._roles.name_mover[0])[:3]

    def second_to_io(self, heads: Heads) -> float:
        """Second largest change of attention from the end to IO among heads, or 0 for fewer."""
        changes = sorted(self.to_io(heads), reverse=True)
        return changes[1] if len(changes) > 1 else 0.0

    def to_io(self, heads: Heads, *, ablated: Heads | None = None) -> list[float]:
        """How the ablation changes attention from the end to IO, of each head.

        Ablated are other heads than the name mover if they are given.
        """
        return [self._attention_change(h, "IO", ablated) for h in heads]

    def attention_to_source(self, heads: Heads) -> list[float]:
        """How the ablation changes attention from the end to where a head reads the answer.

        For the first two of `heads`; where a head reads is said by `Task.source`.
        """
        return [self._attention_change(h, self._task.source(h)) for h in heads[:2]]

    def _attention_change(self, head: Head, key: str, ablated: Heads | None = None) -> float:
        edits = self._task.ablate(*((self._roles.name_mover,) if ablated is None else ablated))
        after = self._task.attention(head, "end", key, edits)
        return (after - self._task.attention(head, "end", key)).mean().item()

    # ---------------------------------------------------------------- zero or mean
    @cached_property
    def outside_by_mean(self) -> Heads:
        """Heads outside the circuit, the longest mean output on ABC prompts first."""
        sizes = {head: self._mean_size(head) for head in self._roles.outside}
        return tuple(sorted(sizes, key=lambda head: -sizes[head]))

    def zero_beyond_mean(self, *heads: Head) -> float:
        """How much further zero ablation moves the logit difference than mean ablation does."""
        task = self._task
        clean = task.attribution.logit_difference
        zero, mean = (
            (task.difference(edits) - clean).mean().abs().item()
            for edits in (task.ablate_to_zero(*heads), task.ablate(*heads))
        )
        return zero - mean

    def _mean_size(self, head: Head) -> float:
        """Length of a head's mean output at the end of ABC prompts, in the residual stream."""
        rows = torch.arange(len(self._task.batch))
        mean = self._task.mean_z(head)[rows, self._task.batch.end].cpu()
        written = mean @ self._task.lens.weights.W_O[head]
        return float(torch.linalg.vector_norm(written, dim=-1).mean())
