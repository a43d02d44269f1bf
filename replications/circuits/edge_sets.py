"""Many edges patched together: what a circuit does when all other edges carry something else.

Where an edge is patched, its receiver reads what the sender writes in the source run, or what it
writes on average; where it is not, what the sender writes now, as its own inputs are patched too.
Nodes are computed in the order of the model. A circuit is tested by patching all edges but its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from replications.circuits._engine.split_forward import (
    PatchedEdges,
    SplitForward,
    Writings,
    at_metric,
)
from replications.circuits.graph import Edge, Graph
from replications.errors import BadInput
from replications.lens import Lens
from replications.lens.networks import as_network
from replications.models.network import Network
from replications.patching._engine import metric as metrics
from replications.patching._engine.layer_operations import LayerOperations
from replications.patching._engine.streams import changed_window
from replications.patching.execution import DEFAULT, Execution
from replications.patching.results import PatchingResult


@dataclass(frozen=True)
class NodeOutputs:
    """What every sender writes into the residual stream, heads without b_O.

    As the source of patched edges it ablates: `mean` over a data set is mean ablation.
    """

    values: Tensor
    """[sender batch pos d_model], or a batch of 1 that stands for every example"""

    def mean(self, *, by_position: bool = True) -> NodeOutputs:
        """The mean over examples, at each position or over all positions too."""
        found = self.values.mean(1, keepdim=True)
        if not by_position:
            found = found.mean(2, keepdim=True).expand_as(found)
        return NodeOutputs(found)

    def zero(self) -> NodeOutputs:
        """Zeros of one example: the source of zero ablation."""
        return NodeOutputs(torch.zeros_like(self.values[:, :1]))


def node_outputs(
    model: Lens | Network, tokens: Tensor, *, execution: Execution = DEFAULT
) -> NodeOutputs:
    """What every sender writes when the model runs on `tokens` [batch pos]."""
    engine = execution.pack(as_network(model))
    tokens = engine.network.check(tokens)
    with torch.no_grad(), execution.precision(engine.network):
        kept = Writings()
        graph = Graph(engine.network.shape)
        SplitForward(LayerOperations(engine), graph, tokens, 0, tokens.shape[1]).run(kept)
    return NodeOutputs(kept.all)


@dataclass(frozen=True)
class EdgeSetSweep(PatchingResult):
    """The metric with each set of edges patched together; the only axis is "set".

    `source` is the metric with all edges patched, which is that of the source run if there is one.
    """

    sets: Tensor
    """Which edges are patched: bool [set receiver sender]"""


def patch_edge_sets(
    model: Lens | Network,
    base: Tensor,
    source: Tensor | NodeOutputs,
    sets: Tensor | Sequence[Iterable[Edge]],
    *,
    answers: Tensor,
    at: int | Tensor = -1,
    ablated_at: Tensor | None = None,
    execution: Execution = DEFAULT,
) -> EdgeSetSweep:
    """The metric with all edges of a set patched together, for each of some sets.

    `sets` are lists of edges, or bool [set receiver sender] as `Graph.mask` makes one. `source` is
    tokens [batch pos], or what the senders are to write instead. `ablated_at`, bool
    [sender batch pos] or with a batch of 1, has positions at which all edges out of a sender are
    patched in every set: a circuit may have a head at some positions only. The other arguments are
    those of `edge_sweep`. `base` of the result is the run with no edge patched anywhere.

    Raises BadInput for arguments that do not fit the model or each other, Unsupported for a lens
    with standing edits.
    """
    problem = Problem.of(model, base, source, answers=answers, at=at, execution=execution)
    masks = set_masks(problem.graph, sets)
    both = torch.stack([torch.zeros_like(problem.graph.every), problem.graph.every])
    with torch.no_grad(), execution.precision(problem.network):
        ends = problem.logits(both, replace(execution, progress=None))
        logits = problem.where(ablated_at).logits(masks, execution)
    values, (low, high) = (metrics.of_answers(part).to(base.device) for part in (logits, ends))
    labels = {"set": tuple(range(len(masks)))}
    return EdgeSetSweep(values, ("set",), labels, low, high, masks)


def set_masks(graph: Graph, sets: Tensor | Sequence[Iterable[Edge]]) -> Tensor:
    """Sets of edges as bool [set receiver sender]. Raises BadInput for edges the model lacks."""
    if not isinstance(sets, Tensor):
        if not sets:
            raise BadInput("give at least one set of edges")
        return torch.stack([graph.mask(some) for some in sets])
    if sets.ndim != 3 or sets.shape[1:] != graph.every.shape or sets.dtype != torch.bool:
        size = " ".join(map(str, graph.every.shape))
        raise BadInput(f"sets {[*sets.shape]} of {sets.dtype}: give bool [set {size}]")
    if bool((sets.cpu() & ~graph.every).any()):
        raise BadInput("a set has an edge whose sender does not come before its receiver")
    return sets.cpu()


@dataclass(frozen=True)
class Problem:
    """Prompts, what patched edges carry, and the metric, all checked and on one device."""

    operations: LayerOperations
    graph: Graph
    base: Tensor
    source: Tensor
    """What senders write in place of what they do: [sender batch|1 pos d_model]"""
    answers: Tensor
    at: Tensor
    start: int
    """The first position that patched edges may change."""
    stop: int
    ablated_at: Tensor | None = None
    """Where all edges out of a sender are patched: bool [sender batch|1 pos]"""

    @property
    def network(self) -> Network:
        return self.operations.network

    @classmethod
    def of(
        cls,
        model: Lens | Network,
        base: Tensor,
        source: Tensor | NodeOutputs,
        *,
        answers: Tensor,
        at: int | Tensor,
        execution: Execution,
    ) -> Problem:
        """Raises BadInput for arguments that do not fit the model or each other."""
        engine = execution.pack(as_network(model))
        network, graph = engine.network, Graph(engine.network.shape)
        tokens = network.check(base)
        positions = metrics.metric_positions(at, tokens)
        stop, start = tokens.shape[1], 0
        if isinstance(source, Tensor):
            _, theirs = metrics.prompt_tokens(network, base, source)
            written = node_outputs(network, theirs, execution=execution).values
            if graph.shape.attention == "causal":
                start, stop = changed_window(tokens, theirs, int(positions.max()))
                start = min(start, int(positions.min()))
        else:
            written = _fitting(source.values, graph, tokens).to(tokens.device, network.dtype)
            if graph.shape.attention == "causal":
                stop = int(positions.max()) + 1
        return cls(
            LayerOperations(engine), graph, tokens, written[:, :, start:stop],
            metrics.answer_tokens(answers, tokens, graph.shape), positions, start, stop,
        )  # fmt: skip

    def some(self, examples: Tensor) -> Problem:
        """The same of some examples."""

        def pick(values: Tensor) -> Tensor:
            return values if values.shape[1] == 1 else values[:, examples]

        return replace(
            self,
            base=self.base[examples],
            source=pick(self.source),
            answers=self.answers[examples],
            at=self.at[examples],
            ablated_at=None if self.ablated_at is None else pick(self.ablated_at),
        )

    def where(self, ablated_at: Tensor | None) -> Problem:
        """The same with edges patched at more positions. BadInput if they do not fit."""
        if ablated_at is None:
            return self
        if ablated_at.dtype != torch.bool or ablated_at.ndim != 3:
            raise BadInput("ablated_at: give bool [sender batch pos]")
        given = _fitting(
            ablated_at[..., None].expand(-1, -1, -1, self.graph.shape.d_model),
            self.graph,
            self.base,
        )[..., 0]
        return replace(self, ablated_at=given[:, :, self.start : self.stop].to(self.base.device))

    def forward(self) -> SplitForward:
        return SplitForward(self.operations, self.graph, self.base, self.start, self.stop)

    def streams(self, sets: Tensor) -> Tensor:
        """The final stream at the metric's position: [set batch d_model]."""
        patched = PatchedEdges(sets.to(self.base.device), self.source, self.ablated_at)
        found = self.forward().run(patched)
        return at_metric(found, self.at, self.start).expand(len(sets), -1, -1)

    def logits(self, sets: Tensor, execution: Execution) -> Tensor:
        """Answers' logits [set batch answer], block by block."""
        found = self.network.W_U.new_empty(len(sets), *self.answers.shape)
        done, every = 0, len(sets) * len(self.base)
        for examples, some in self.blocks(len(sets), execution):
            part = self.some(examples)
            streams = part.streams(sets[some])
            logits = metrics.answer_logits(self.network, streams, part.answers)
            found[some[:, None], examples] = logits
            done += len(examples) * len(some)
            if execution.progress is not None:
                execution.progress(done, every)
        return found

    def blocks(self, n_sets: int, execution: Execution) -> Iterator[tuple[Tensor, Tensor]]:
        """Numbers of examples and of sets that run together."""
        at_once = max(1, execution.numbers(self.network.dtype) // self.held)
        for examples in torch.arange(len(self.base)).split(at_once):
            for some in torch.arange(n_sets).split(max(1, at_once // len(examples))):
                yield examples, some

    @property
    def held(self) -> int:
        """About how many numbers a set of one example holds at a time."""
        shape = self.graph.shape
        width = max(shape.d_model, shape.n_heads * shape.d_head)
        streams = (self.graph.n_senders + 9 * shape.n_heads) * shape.d_model
        scores = 3 * shape.n_heads * self.stop
        return (self.stop - self.start) * (streams + 10 * width + shape.d_mlp + scores)


def _fitting(values: Tensor, graph: Graph, tokens: Tensor) -> Tensor:
    batch, length = tokens.shape
    size = (graph.n_senders, length, graph.shape.d_model)
    if values.ndim != 4 or (len(values), *values.shape[2:]) != size:
        raise BadInput(f"outputs {[*values.shape]}: give [{size[0]} batch {length} {size[2]}]")
    if values.shape[1] not in (1, batch):
        raise BadInput(f"outputs of {values.shape[1]} examples for {batch}: give as many, or one")
    return values
