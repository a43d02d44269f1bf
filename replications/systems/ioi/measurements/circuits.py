"""The published circuit as a set of heads: faithfulness, completeness, minimality.

Wang et al. 2022 (arXiv:2211.00593): every head outside the circuit gives its mean over ABC prompts,
by template and position; heads of the circuit are kept where they act, and give their mean
elsewhere. MLPs are kept. F(C) is the mean logit difference that is left, F(M) that of the model.
Other ablations, and heads kept at every position, are stated parameters. `faithfulness` has the
same by template, for numbers that were printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal, get_args

import torch
from torch import Tensor

from replications.analysis.statistics import ratio
from replications.models import Edit, Head, sites
from replications.systems.ioi.data import ABC
from replications.systems.ioi.measurements.faithfulness import CIRCUIT
from replications.systems.ioi.roles import PUBLISHED, Heads, Roles
from replications.systems.ioi.task import Task

Ablation = Literal["by_position", "over_positions", "resampled"]
"""What stands in the place of a head: its mean over ABC prompts, by template and position, or over
all of them; or its output on the ABC prompt of this very prompt."""
Circuit = Mapping[str, Heads]
"""Position, one of `Task.positions` → the heads that are kept there."""
PEERS = 10
"""How many random circuits a circuit is compared with."""


def circuit_of(roles: Roles) -> Circuit:
    """The heads of all roles where they act; with the published roles, the paper's 26 heads."""
    if roles == PUBLISHED:
        return CIRCUIT
    return {
        "end": (*roles.name_movers, *roles.negative, *roles.s_inhibition),
        "S2": (*roles.all_induction, *roles.duplicate),
        "S1+1": roles.previous,
    }


def classes_of(roles: Roles) -> list[Heads]:
    """The heads that do one thing together; all that notice a repeated name are one class."""
    found = [
        roles.name_movers,
        roles.negative,
        roles.s_inhibition,
        (*roles.all_induction, *roles.duplicate),
        roles.previous,
    ]
    return [heads for heads in found if heads]


class Circuits:
    """What is left of the logit difference when only some heads do their work."""

    def __init__(self, task: Task, roles: Roles) -> None:
        self._task, self._roles = task, roles
        self._layers, self._heads = task.lens.shape.n_layers, task.lens.shape.n_heads
        self._measured: dict[tuple[object, ...], float] = {}

    # ---------------------------------------------------------------- circuits
    @cached_property
    def published(self) -> Circuit:
        """The circuit of all roles."""
        return circuit_of(self._roles)

    def without(self, *heads: Head) -> Circuit:
        """The circuit less some heads."""
        return _less(self.published, heads)

    @property
    def without_inhibition(self) -> Circuit:
        """The circuit less its S-inhibition heads."""
        return self.without(*self._roles.s_inhibition)

    @property
    def naive(self) -> Circuit:
        """One name mover, without backups, negative heads and fuzzy induction heads."""
        roles = self._roles
        return {
            "end": (roles.name_mover, *roles.s_inhibition),
            "S2": (*roles.induction, *roles.duplicate),
            "S1+1": roles.previous,
        }

    def random(self, seed: int) -> Circuit:
        """As many heads at each position as in the circuit, drawn from all heads."""
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randperm(self._layers * self._heads, generator=generator).tolist()
        every = iter([divmod(index, self._heads) for index in drawn])
        return {at: tuple(next(every) for _ in heads) for at, heads in self.published.items()}

    # ---------------------------------------------------------------- the metric
    @cached_property
    def whole(self) -> float:
        """F(M)."""
        return self._task.difference().mean().item()

    def alone(
        self,
        circuit: Circuit,
        *,
        ablation: Ablation = "by_position",
        everywhere: bool = False,
    ) -> float:
        """F(C). With `everywhere`, the heads of the circuit are kept at all positions."""
        key = (*((at, *heads) for at, heads in circuit.items()), ablation, everywhere)
        if key not in self._measured:
            self._measured[key] = self._difference(self._keep(circuit, everywhere), ablation)
        return self._measured[key]

    def lesioned(self, heads: Sequence[Head]) -> float:
        """F(M without these heads): they give their means at every position."""
        key = ("lesioned", *heads)
        if key not in self._measured:
            keep = torch.ones(self._size, dtype=torch.bool)
            for layer, head in heads:
                keep[layer, ..., head] = False
            self._measured[key] = self._difference(keep, "by_position")
        return self._measured[key]

    @property
    def _size(self) -> tuple[int, int, int, int]:
        n, length = self._task.batch.tokens.shape
        return self._layers, n, length, self._heads

    def _keep(self, circuit: Circuit, everywhere: bool) -> Tensor:
        """Where heads are kept: bool [layer n pos head]."""
        keep = torch.zeros(self._size, dtype=torch.bool)
        rows = torch.arange(self._size[1])
        for name, heads in circuit.items():
            for layer, head in heads:
                if everywhere:
                    keep[layer, ..., head] = True
                else:
                    keep[layer, rows, self._task.positions[name], head] = True
        return keep

    def _difference(self, keep: Tensor, ablation: Ablation) -> float:
        edits = [
            _replace(layer, some, self._instead(layer, ablation))
            for layer, some in enumerate(keep)
            if not some.all()
        ]
        return self._task.difference(edits).mean().item()

    def _instead(self, layer: int, ablation: Ablation) -> Tensor:
        """What a layer's heads give when they are ablated: [n pos head d_head]."""
        z = self._task.z_on(ABC, layer)
        if ablation == "resampled":
            return z
        if ablation == "over_positions":
            read = torch.arange(z.shape[1]) <= self._task.abc.end[:, None]
            return z[read].mean(0).expand_as(z)
        found, template = torch.empty_like(z), self._task.abc.template
        for one in set(template.tolist()):
            found[template == one] = z[template == one].mean(0)
        return found

    # ---------------------------------------------------------------- what is claimed
    def faithful(self, circuit: Circuit | None = None) -> dict[str, float]:
        """F(C) / F(M), and F(C) in logits."""
        alone = self.alone(self.published if circuit is None else circuit)
        return {"share": ratio(alone, self.whole), "difference": alone}

    def by_convention(self, circuit: Circuit | None = None) -> dict[str, float]:
        """F(C) / F(M) for each ablation, and with the circuit's heads kept at every position."""
        chosen = self.published if circuit is None else circuit
        found = {name: self.alone(chosen, ablation=name) for name in get_args(Ablation)}
        found["kept_everywhere"] = self.alone(chosen, everywhere=True)
        return {name: ratio(value, self.whole) for name, value in found.items()}

    def share_over(self, other: Circuits, circuit: Circuit | None = None) -> float:
        """F(C) / F(M) less the same on another task."""
        return self.faithful(circuit)["share"] - other.faithful(circuit)["share"]

    def ahead_of_random(self, circuit: Circuit | None = None) -> float:
        """F(C) less the largest of PEERS random circuits, in logits."""
        peers = [self.alone(self.random(seed)) for seed in range(1, PEERS + 1)]
        return self.alone(self.published if circuit is None else circuit) - max(peers)

    def incomplete(self, circuit: Circuit | None = None) -> float:
        """The largest |F(C without K) - F(M without K)| over nothing and each class K, in logits.

        What is taken out is taken out at every position.
        """
        chosen = self.published if circuit is None else circuit
        gaps = [
            self.alone(_less(chosen, heads)) - self.lesioned(heads)
            for heads in [(), *classes_of(self._roles)]
        ]
        return max(map(abs, gaps))

    def least_needed(self, heads: Sequence[Head] | None = None) -> float:
        """The smallest |F(C without K) - F(C without K and v)| / F(M) over heads v with a role.

        K are the other heads of v's class. With `heads`, over these, each added to the circuit and
        taken out again, K being nothing.  NaN if there are none.
        """
        if heads is not None:
            end = self.published["end"]
            with_one = [{**self.published, "end": (*end, head)} for head in heads]
            falls = [self.alone(more) - self.alone(self.published) for more in with_one]
        else:
            falls = []
            for of_class in classes_of(self._roles):
                none = self.alone(self.without(*of_class))
                for head in of_class:
                    others = [other for other in of_class if other != head]
                    falls.append(self.alone(self.without(*others)) - none)
        return min((abs(ratio(fall, self.whole)) for fall in falls), default=float("nan"))

    @property
    def outside_needed(self) -> float:
        """The same for heads outside the circuit."""
        return self.least_needed(self._roles.outside)


def _less(circuit: Circuit, heads: Sequence[Head]) -> Circuit:
    return {at: tuple(h for h in kept if h not in heads) for at, kept in circuit.items()}


def _replace(layer: int, keep: Tensor, values: Tensor) -> Edit:
    """Put `values` [n pos head d_head] wherever `keep` [n pos head] is false."""

    def change(current: Tensor, rows: slice) -> Tensor:
        kept = keep[rows, ..., None].to(current.device)
        return torch.where(kept, current, values[rows].to(current))

    return Edit(sites.Z(layer), change)
