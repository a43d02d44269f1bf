"""Edges to first order: what patching each of them would do, from gradients.

- `eap`, edge attribution patching (Syed, Rager and Conmy 2023, arXiv:2310.10348): the change of
  what the sender writes times the metric's gradient at the receiver's input, in the base run. One
  run of each prompt and one backward pass give all edges.
- `eap_ig` (Hanna, Pezzelle and Belinkov 2024, arXiv:2403.17806, "inputs"): the same with the mean
  of the gradients in `steps` runs, whose embeddings go in equal steps from the source's, which is
  left out, to the base run's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from replications.circuits._engine.split_forward import Leaves, Writings, at_metric, gradients
from replications.circuits.edge_sets import NodeOutputs, Problem
from replications.circuits.graph import Edge
from replications.errors import BadInput
from replications.lens import Lens
from replications.models.network import Network
from replications.patching._engine import metric as metrics
from replications.patching.attribution import AttributionPatching
from replications.patching.execution import DEFAULT, Execution


@dataclass(frozen=True)
class EdgeEstimate(AttributionPatching):
    """The metric as it is estimated to be with each edge patched alone; the only axis is "edge".

    `source` is the metric with all edges patched.
    """

    edges: tuple[Edge, ...]

    def effects(self) -> Tensor:
        """By how much each edge is estimated to change the mean metric: [edge]."""
        return (self.values - self.base).mean(1)


def eap(
    model: Lens | Network,
    base: Tensor,
    source: Tensor | NodeOutputs,
    edges: Sequence[Edge] | None = None,
    *,
    answers: Tensor,
    at: int | Tensor = -1,
    execution: Execution = DEFAULT,
) -> EdgeEstimate:
    """Estimate what `edge_sweep` with the same arguments finds, from one backward pass.

    `source` may also be what the senders are to write instead. `answers` are long [batch 2].

    Raises BadInput for arguments that do not fit the model or each other, Unsupported for a lens
    with standing edits.
    """
    return eap_ig(model, base, source, edges, answers=answers, at=at, steps=1, execution=execution)


def eap_ig(
    model: Lens | Network,
    base: Tensor,
    source: Tensor | NodeOutputs,
    edges: Sequence[Edge] | None = None,
    *,
    answers: Tensor,
    at: int | Tensor = -1,
    steps: int = 5,
    execution: Execution = DEFAULT,
) -> EdgeEstimate:
    """Like `eap`, with the mean gradient of `steps` runs from the source's inputs to the base's.

    Raises BadInput also for a number of steps less than 1.
    """
    if steps < 1:
        raise BadInput(f"steps={steps}: give at least one")
    problem = Problem.of(model, base, source, answers=answers, at=at, execution=execution)
    if problem.answers.shape[1] != 2:
        raise BadInput(f"answers {[*answers.shape]}: give two for each of {len(base)} examples")
    graph = problem.graph
    listed = graph.edges if edges is None else tuple(edges)
    receivers, senders = graph.pairs(listed).T
    changes = problem.network.W_U.new_empty(len(listed), len(base))
    # Every receiver's input, about five times over: itself, normalised, and what autograd keeps.
    held = (problem.stop - problem.start) * graph.shape.d_model * (5 * graph.n_receivers)
    at_once = max(1, execution.numbers(problem.network.dtype) // held)
    with execution.precision(problem.network):
        for examples in torch.arange(len(base)).split(at_once):
            change, slope = _change_and_slope(problem.some(examples), steps)
            # [receiver sender batch], a matrix for each example
            scores = torch.einsum("rbpd,sbpd->rsb", slope, change)
            changes[:, examples] = scores[receivers, senders]
        both = torch.stack([torch.zeros_like(graph.every), graph.every])
        with torch.no_grad():
            low, high = metrics.of_answers(problem.logits(both, execution))
    low, high, changes = (part.to(base.device) for part in (low, high, changes))
    labels = {"edge": tuple(map(str, listed))}
    return EdgeEstimate(low + changes, ("edge",), labels, low, high, listed)


def _change_and_slope(problem: Problem, steps: int) -> tuple[Tensor, Tensor]:
    """What each sender would write less what it writes, and the gradient at each receiver.

    [sender batch pos d_model] and [receiver batch pos d_model]
    """
    forward = problem.forward()
    kept = Writings()
    with torch.no_grad():
        forward.run(kept)
    ours, theirs = forward.embedding, problem.source[0]
    total: Tensor | None = None
    for step in range(1, steps + 1):
        leaves = Leaves()
        with torch.enable_grad():
            stream = forward.run(leaves, theirs + (step / steps) * (ours - theirs))
            logits = metrics.answer_logits(
                problem.network, at_metric(stream, problem.at, problem.start)[0], problem.answers
            )
            slope = gradients(leaves.added, metrics.of_answers(logits))
        total = slope if total is None else total + slope
    assert total is not None
    return problem.source - kept.all, total / steps
