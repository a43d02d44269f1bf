"""Every edge of a model patched alone, exactly.

Patching the edge from a sender to a receiver means: the receiver reads the residual stream in which
the sender wrote what it writes in the source run, and everything else what it writes in the base
run. Its LayerNorm is recomputed, and so is everything behind the receiver; no other reader of the
sender notices. The sender is patched at all positions.

`replications.circuits.reference` does the same with one forward pass for each edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from replications.circuits._engine import edge_flops
from replications.circuits._engine.edge_runs import EdgeRuns
from replications.circuits._engine.two_runs import TwoRuns
from replications.circuits.graph import Edge, Graph
from replications.errors import BadInput
from replications.lens import Lens
from replications.lens.networks import as_network
from replications.models.network import Network
from replications.models.shape import Shape
from replications.patching._engine import metric as metrics
from replications.patching._engine.layer_operations import LayerOperations
from replications.patching._engine.streams import changed_window
from replications.patching.execution import DEFAULT, Execution
from replications.patching.results import PatchingResult

NextToken = Callable[[Tensor], Tensor]
"""Logits [batch d_vocab_out] at one position of each example to one number each: [batch]."""


@dataclass(frozen=True)
class EdgeSweep(PatchingResult):
    """The metric with each edge patched alone; the only axis is "edge"."""

    edges: tuple[Edge, ...]
    backend: str
    """The library that multiplied the matrices: onednn, mkl, mkl+onednn, blas or cublas."""
    flops: int
    """Arithmetic of the layers' matrices: 2 for each multiplication with an addition."""

    def effects(self) -> Tensor:
        """By how much each edge changes the mean metric: [edge …]."""
        return (self.values - self.base).mean(1)


def edge_sweep(
    model: Lens | Network,
    base: Tensor,
    source: Tensor,
    edges: Sequence[Edge] | None = None,
    *,
    answers: Tensor | None = None,
    metric: NextToken | None = None,
    at: int | Tensor = -1,
    execution: Execution = DEFAULT,
) -> EdgeSweep:
    """The metric with each edge patched alone; all edges of the model if `edges` is None.

    `base` and `source` are tokens [batch pos]. The metric is read at position `at`, one for all
    examples or long [batch]. With `answers` long [batch 2], correct and incorrect, it is the
    difference of their logits; with another number of answers, their logits. A `metric` of your own
    takes the logits [batch d_vocab_out] at that position and gives one number for each example; the
    final streams of all edges, [batch d_model] each, are then held at once.

    Exact: what one forward pass for each edge would give, up to rounding. It has not been run on
    CUDA.

    Raises BadInput for tokens, edges, positions or answers that do not fit the model or each other,
    and unless there are either answers or a metric; Unsupported for a lens with standing edits.
    """
    if (answers is None) == (metric is None):
        raise BadInput("give answers [batch n], or a metric of the logits, and not both")
    engine = execution.pack(as_network(model))
    network, given_on = engine.network, base.device
    base, source = metrics.prompt_tokens(network, base, source)
    graph = Graph(network.shape)
    listed = graph.edges if edges is None else tuple(edges)
    wanted = _wanted(graph, listed)
    read = _Read.of(network, base, answers)
    positions = metrics.metric_positions(at, base)
    operations = LayerOperations(engine)
    one = (len(base), read.size)
    values = network.W_U.new_empty(graph.n_receivers, graph.n_senders, *one)
    low, high = network.W_U.new_empty(2, *one)
    done, every = 0, len(listed) * len(base)
    with torch.no_grad(), execution.precision(network):
        for block in _blocks(graph, base, source, positions, execution.numbers(network.dtype)):
            rows = block.examples
            runs = TwoRuns(operations, graph, base[rows], source[rows], block.at)
            low[rows] = read(runs.base, rows)
            high[rows] = read(runs.source, rows)
            values[:, :, rows] = low[rows]
            for found in EdgeRuns(operations, graph, runs, wanted, block.edges_at_once):
                measured = read(found.stream, rows)
                values[found.receivers[:, None], found.senders[:, None], rows] = measured
                done += len(found.senders) * len(rows)
                if execution.progress is not None:
                    execution.progress(done, every)
    if execution.progress is not None and done < every:
        # Prompts that do not differ before the metric's position, or edges named twice.
        execution.progress(every, every)
    pairs = graph.pairs(listed)
    values, low, high = (
        read.metric(part, metric).to(given_on)
        for part in (values[pairs[:, 0], pairs[:, 1]], low, high)
    )
    return EdgeSweep(
        values=values,
        axes=("edge",),
        labels={"edge": tuple(map(str, listed))},
        base=low,
        source=high,
        edges=listed,
        backend=engine.library,
        flops=operations.flops,
    )


@dataclass(frozen=True)
class _Read:
    """What is kept of final streams: the answers' logits, or, without answers, the streams."""

    network: Network
    answers: Tensor | None
    size: int
    """How many numbers that is for one example."""

    @classmethod
    def of(cls, network: Network, tokens: Tensor, answers: Tensor | None) -> _Read:
        """Raises BadInput for answers that do not fit."""
        if answers is None:
            return cls(network, None, network.shape.d_model)
        answers = metrics.answer_tokens(answers, tokens, network.shape)
        return cls(network, answers, answers.shape[1])

    def __call__(self, stream: Tensor, rows: Tensor) -> Tensor:
        """What is kept of streams [… row d_model]: [… row size]."""
        if self.answers is None:
            return stream
        return metrics.answer_logits(self.network, stream, self.answers[rows])

    def metric(self, kept: Tensor, metric: NextToken | None) -> Tensor:
        """The metric of what was kept of some runs [… batch size]: [… batch], or the logits."""
        if metric is None:
            return metrics.of_answers(kept)
        network, runs = self.network, kept.reshape(-1, *kept.shape[-2:])
        found = [metric(network.unembed(x)) for x in runs]
        if any(values.shape != (kept.shape[-2],) for values in found):
            raise BadInput(f"metric: give one number for each of {kept.shape[-2]} examples")
        return torch.stack(found).reshape(kept.shape[:-1])


def expected_edge_flops(
    model: Lens | Network | Shape,
    base: Tensor,
    source: Tensor,
    edges: Sequence[Edge] | None = None,
    *,
    at: int | Tensor = -1,
) -> int:
    """The closed formula of the arithmetic of `edge_sweep` with the same arguments.

    It is what the sweep counts when all examples have one metric position and one first token that
    differs; examples that run together share the widest window.
    """
    graph = Graph(model if isinstance(model, Shape) else model.shape)
    wanted = _wanted(graph, graph.edges if edges is None else tuple(edges))
    total = 0
    for row, end in enumerate(metrics.metric_positions(at, base).tolist()):
        window = _window(graph.shape, base[row : row + 1], source[row : row + 1], end)
        total += edge_flops.expected(graph, wanted, window=window, at=end)
    return total


def _wanted(graph: Graph, listed: Sequence[Edge]) -> Tensor:
    if not listed:
        raise BadInput("give at least one edge")
    return graph.every if listed is graph.edges else graph.mask(listed)


def _window(shape: Shape, base: Tensor, source: Tensor, at: int) -> tuple[int, int]:
    if shape.attention != "causal":
        return 0, base.shape[1]
    return changed_window(base, source, at)


@dataclass(frozen=True)
class _Block:
    """Examples that go through the layers together."""

    examples: Tensor
    """Numbers of the examples: long [n]. They share `at`."""
    at: int
    edges_at_once: int


def _blocks(
    graph: Graph, base: Tensor, source: Tensor, at: Tensor, budget: int
) -> Iterator[_Block]:
    """All examples, in blocks that hold about `budget` numbers at a time.

    Examples with one metric position and one window go together. A sender's edges into all heads of
    a layer should fit at once, and the changes of all senders in half of the budget.
    """
    shape = graph.shape
    groups: dict[tuple[int, int, int], list[int]] = {}
    for row, end in enumerate(at.tolist()):
        window = _window(shape, base[row : row + 1], source[row : row + 1], end)
        groups.setdefault((end, *window), []).append(row)
    width = max(shape.d_model, shape.n_heads * shape.d_head)
    for (end, start, stop), rows in groups.items():
        n = max(1, stop - start)
        # About what a position of one edge and example holds at once: its stream, q, k and v,
        # inputs and outputs of products, scores and pattern.
        one = n * (20 * width + 3 * shape.n_heads * stop)
        kept = graph.n_senders * n * shape.d_model + 6 * shape.n_layers * stop * width
        most = min(budget // (3 * shape.n_heads * one), budget // (2 * kept))
        for examples in torch.tensor(rows).split(max(1, most)):
            yield _Block(examples, end, max(1, budget // (one * len(examples))))
