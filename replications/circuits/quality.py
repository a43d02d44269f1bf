"""How good a circuit is: faithfulness, completeness, minimality, and curves over its size.

F(C) is the mean metric with all edges outside C patched, so that they carry the source: another
prompt (resample ablation), or what senders write on average (mean ablation; see `NodeOutputs`). M
is the whole model. Every number depends on the ablation, on whether its means are by position, and
on the tokens: GPT-2 small's 26 heads for indirect objects move by up to 17 points with a leading
end-of-text token.

- faithfulness, Wang et al. 2022 (arXiv:2211.00593): F(M) - F(C), or F(C) / F(M);
- completeness: F(C \\ K) - F(M \\ K) for parts K of the circuit;
- minimality: F(C \\ K) - F(C \\ (K and v)) for a part v, relative to F(M);
- CPR and CMD, MIB (Mueller et al. 2025, arXiv:2504.13151): the area under the curve of
  (F(C) - F(none)) / (F(M) - F(none)) over the share of edges kept, and between that curve and 1.

Intervals are percentile bootstrap intervals over the prompts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from replications.analysis.statistics import MeanInterval, bootstrap_mean, bootstrap_ratio
from replications.circuits.circuit import Circuit, Effects, Rank, graph_of, top_edges
from replications.circuits.edge_sets import EdgeSetSweep, NodeOutputs, patch_edge_sets
from replications.circuits.graph import Edge, Graph, Node
from replications.errors import BadInput
from replications.lens import Lens
from replications.models.network import Network
from replications.patching.execution import DEFAULT, Execution

SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""The shares of all edges at which MIB tests circuits."""

Part = Iterable[Node | Edge]
"""What is taken out of a circuit: edges, or nodes, which means all edges out of them."""


@dataclass(frozen=True)
class Prompts:
    """What circuits are tested on."""

    base: Tensor
    """Tokens [batch pos]"""
    source: Tensor | NodeOutputs
    """What patched edges carry: tokens [batch pos], or what the senders write instead."""
    answers: Tensor
    """Correct and incorrect, long [batch 2]"""
    at: int | Tensor = -1
    """The position that the metric is read at, one for all or long [batch]"""


# -------------------------------------------------------------------- faithfulness
@dataclass(frozen=True)
class Faithfulness:
    """The metric of each prompt: of the model, of a circuit, and with all edges patched.

    [batch] each
    """

    whole: Tensor
    circuit: Tensor
    nothing: Tensor

    def gap(self, seed: int = 0) -> MeanInterval:
        """F(M) - F(C)."""
        return bootstrap_mean(self.whole - self.circuit, seed=seed)

    def ratio(self, seed: int = 0) -> MeanInterval:
        """F(C) / F(M), of the means."""
        return bootstrap_ratio(self.circuit.double(), self.whole.double(), seed=seed)

    def recovered(self, seed: int = 0) -> MeanInterval:
        """(F(C) - F(none)) / (F(M) - F(none)), of the means."""
        parts = (self.circuit - self.nothing, self.whole - self.nothing)
        return bootstrap_ratio(*(part.double() for part in parts), seed=seed)


def faithfulness(
    model: Lens | Network,
    circuit: Circuit,
    prompts: Prompts,
    *,
    ablated_at: Tensor | None = None,
    execution: Execution = DEFAULT,
) -> Faithfulness:
    """How much of the metric a circuit keeps.

    `ablated_at`, bool [sender batch pos] or with a batch of 1, has positions at which senders of
    the circuit are ablated too. Raises BadInput for arguments that do not fit the model.
    """
    found = _run(model, circuit.patched[None], prompts, ablated_at, execution)
    return Faithfulness(found.base, found.values[0], found.source)


def _run(
    model: Lens | Network,
    sets: Tensor,
    prompts: Prompts,
    ablated_at: Tensor | None,
    execution: Execution,
) -> EdgeSetSweep:
    if prompts.answers.shape[1:] != (2,):
        raise BadInput(f"answers {[*prompts.answers.shape]}: give two for each example")
    return patch_edge_sets(
        model, prompts.base, prompts.source, sets, answers=prompts.answers, at=prompts.at,
        ablated_at=ablated_at, execution=execution,
    )  # fmt: skip


# -------------------------------------------------------------------- completeness, minimality
@dataclass(frozen=True)
class Completeness:
    """The metric without each part K of a circuit: [part batch] each."""

    circuit: Tensor
    """Of the circuit without K."""
    whole: Tensor
    """Of the model without K."""

    def gaps(self) -> Tensor:
        """F(C without K) - F(M without K), means over the prompts: [part]. Near 0 if complete."""
        return (self.circuit - self.whole).mean(1)

    def interval(self, part: int, seed: int = 0) -> MeanInterval:
        """The gap of one part with its interval."""
        return bootstrap_mean(self.circuit[part] - self.whole[part], seed=seed)


def completeness(
    model: Lens | Network,
    circuit: Circuit,
    prompts: Prompts,
    parts: Sequence[Part],
    *,
    ablated_at: Tensor | None = None,
    execution: Execution = DEFAULT,
) -> Completeness:
    """Whether circuit and model do alike when the same part of the circuit is taken out of both.

    Raises BadInput for a part with an edge or node that the model lacks.
    """
    removed = _masks(circuit.graph, parts)
    return Completeness(
        _run(model, circuit.patched | removed, prompts, ablated_at, execution).values,
        _run(model, removed, prompts, None, execution).values,
    )


def worst_part(
    model: Lens | Network,
    circuit: Circuit,
    prompts: Prompts,
    candidates: Sequence[Part],
    *,
    steps: int,
    ablated_at: Tensor | None = None,
    execution: Execution = DEFAULT,
) -> tuple[list[int], float]:
    """The union of candidates with a large gap in completeness, found greedily.

    Each of `steps` steps adds the candidate that makes the gap largest in size, or stops if none
    makes it larger. Returns the candidates' numbers and the gap (of Wang et al., who draw some of
    the candidates in each step).
    """
    removed = _masks(circuit.graph, candidates)
    chosen: list[int] = []
    worst, together = 0.0, torch.zeros_like(circuit.kept)
    for _ in range(min(steps, len(candidates))):
        sets = removed | together
        whole = _run(model, sets, prompts, None, execution).values
        alone = _run(model, circuit.patched | sets, prompts, ablated_at, execution).values
        gaps = (alone - whole).mean(1)
        best = int(gaps.abs().argmax())
        if best in chosen or not abs(float(gaps[best])) > abs(worst):
            break
        chosen.append(best)
        worst, together = float(gaps[best]), sets[best]
    return chosen, worst


@dataclass(frozen=True)
class Minimality:
    """The metric of a circuit without K, and without K and a part v as well: [part batch] each."""

    without_others: Tensor
    without_part: Tensor
    whole: Tensor
    """Of the model: [batch]"""

    def scores(self) -> Tensor:
        """(F(C without K) - F(C without K and v)) / F(M), of the means: [part].

        Near 0 for a part that the circuit does not need.
        """
        return (self.without_others - self.without_part).mean(1) / self.whole.mean()

    def interval(self, part: int, seed: int = 0) -> MeanInterval:
        """The score of one part with its interval."""
        change = (self.without_others[part] - self.without_part[part]).double()
        return bootstrap_ratio(change, self.whole.double(), seed=seed)


def minimality(
    model: Lens | Network,
    circuit: Circuit,
    prompts: Prompts,
    parts: Sequence[Part],
    others: Sequence[Part] | None = None,
    *,
    ablated_at: Tensor | None = None,
    execution: Execution = DEFAULT,
) -> Minimality:
    """What each part v of a circuit does once others, K, have been taken out.

    `others` has one K for each part; without it nothing else is taken out. Wang et al. choose for
    each head a K that shows its effect, such as the heads that do the same.

    Raises BadInput for another number of `others` than parts.
    """
    others = [[] for _ in parts] if others is None else others
    if len(others) != len(parts):
        raise BadInput(f"{len(others)} others for {len(parts)} parts: give one for each")
    before = circuit.patched | _masks(circuit.graph, others)
    after = before | _masks(circuit.graph, parts)
    found = _run(model, torch.cat([before, after]), prompts, ablated_at, execution)
    without_others, without_part = found.values.chunk(2)
    return Minimality(without_others, without_part, found.base)


def _masks(graph: Graph, parts: Sequence[Part]) -> Tensor:
    """Edges of each part: bool [part receiver sender]."""
    if not parts:
        raise BadInput("give at least one part")
    found = []
    for part in parts:
        listed = list(part)
        nodes = [item for item in listed if isinstance(item, Node)]
        edges = [item for item in listed if isinstance(item, Edge)]
        found.append(graph.out_of(nodes) | graph.mask(edges))
    return torch.stack(found)


# -------------------------------------------------------------------- curves over size
@dataclass(frozen=True)
class Curve:
    """The metric of circuits of growing size."""

    shares: tuple[float, ...]
    """The shares of all edges that were asked for, ascending."""
    sizes: tuple[int, ...]
    """How many edges each circuit has."""
    circuits: Tensor
    """[circuit batch]"""
    whole: Tensor
    """[batch]"""
    nothing: Tensor
    """With all edges patched: [batch]"""

    @cached_property
    def faithfulness(self) -> Tensor:
        """(F(C) - F(none)) / (F(M) - F(none)), of the means: [circuit]."""
        return self._faithfulness(torch.arange(len(self.whole))[None])[:, 0]

    def _faithfulness(self, drawn: Tensor) -> Tensor:
        """The same for prompts drawn anew, long [resample batch]: [circuit resample]."""
        circuits, whole, nothing = (
            part.double()[..., drawn].mean(-1) for part in (self.circuits, self.whole, self.nothing)
        )
        return (circuits - nothing) / (whole - nothing)

    def cpr(self, seed: int = 0) -> MeanInterval:
        """The area under the curve, by trapezoids between the shares: larger is better."""
        return self._area(distance=False, seed=seed)

    def cmd(self, seed: int = 0) -> MeanInterval:
        """The area between the curve and 1: 0 is best."""
        return self._area(distance=True, seed=seed)

    def _area(self, *, distance: bool, seed: int, resamples: int = 2000) -> MeanInterval:
        generator, n = torch.Generator().manual_seed(seed), len(self.whole)
        drawn = torch.randint(0, n, (resamples, n), generator=generator)
        areas = []
        for rows in (torch.arange(n)[None], drawn):
            heights = self._faithfulness(rows)
            heights = (1 - heights).abs() if distance else heights
            shares = torch.tensor(self.shares, dtype=torch.float64)
            areas.append(torch.trapezoid(heights, shares, dim=0))
        low, high = areas[1].quantile(torch.tensor([0.025, 0.975], dtype=torch.float64))
        return MeanInterval(areas[0].item(), low.item(), high.item())


def faithfulness_curve(
    model: Lens | Network,
    found: Effects,
    prompts: Prompts,
    shares: Sequence[float] = SHARES,
    *,
    by: Rank = "size",
    execution: Execution = DEFAULT,
) -> Curve:
    """Circuits of the edges with the largest effects, of each share of all edges.

    Edges on no path from the embedding to the logits are left out of each, as MIB does.

    Raises BadInput for shares that are not between 0 and 1 and ascending.
    """
    if not shares or list(shares) != sorted(set(shares)) or not 0 <= shares[0] <= shares[-1] <= 1:
        raise BadInput(f"shares {tuple(shares)}: give ascending ones between 0 and 1")
    every = int(graph_of(model).every.sum())
    circuits = [top_edges(model, found, int(s * every), by=by).connected() for s in shares]
    patched = torch.stack([circuit.patched for circuit in circuits])
    swept = _run(model, patched, prompts, None, execution)
    sizes = tuple(len(circuit) for circuit in circuits)
    values = (part.cpu() for part in (swept.values, swept.base, swept.source))
    return Curve(tuple(shares), sizes, *values)
