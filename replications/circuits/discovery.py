"""ACDC: a circuit found by removing edges greedily, each removal tested exactly.

Conmy et al. 2023 (arXiv:2304.14997), algorithm 1: from the logits back to the embedding, each edge
is patched on top of all those removed before; if the model is worse by less than a threshold, the
edge stays removed. Here removals are tried many at a time. A list of candidates is patched one more
in each copy, as if all were accepted; after the first that is not, the rest is tried again. The
circuit is that of testing them one by one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from replications.circuits.circuit import Circuit
from replications.circuits.edge_sets import NodeOutputs, Problem
from replications.errors import BadInput
from replications.lens import Lens
from replications.models.network import Network
from replications.patching._engine import metric as metrics
from replications.patching.execution import DEFAULT, Execution

Damage = Literal["fall", "distance", "kl"]
"""What a removal must not raise: how far the mean logit difference has fallen; how far it is from
the whole model's, in either direction; the mean KL divergence of the next token's distribution from
the whole model's, at the metric's position."""


@dataclass(frozen=True)
class Discovery(Circuit):
    """A circuit that ACDC has found."""

    damage: float
    """The damage of the circuit, that of the whole model being 0."""
    runs: int
    """How many sets of edges were tried, those included that were tried in vain."""


def acdc(
    model: Lens | Network,
    base: Tensor,
    source: Tensor | NodeOutputs,
    threshold: float,
    *,
    answers: Tensor,
    at: int | Tensor = -1,
    damage: Damage = "fall",
    execution: Execution = DEFAULT,
) -> Discovery:
    """The circuit that is left when every edge is removed that costs less than `threshold`.

    `base` is long [batch pos], and `source` what removed edges carry: tokens [batch pos], or what
    the senders write instead. Receivers go from the logits to the first layer, and senders of each
    from the last. Edges into a node that nothing reads any more are removed without a test, since
    they change nothing.

    Raises BadInput for arguments that do not fit the model or each other, Unsupported for a lens
    with standing edits.
    """
    if math.isnan(threshold):
        raise BadInput("threshold: give a number, not NaN")
    if damage not in get_args(Damage):
        raise BadInput(f"damage={damage!r}: give one of {get_args(Damage)}")
    problem = Problem.of(model, base, source, answers=answers, at=at, execution=execution)
    if damage != "kl" and problem.answers.shape[1] != 2:
        raise BadInput(f"answers {[*answers.shape]}: give two for each of {len(base)} examples")
    with torch.no_grad(), execution.precision(problem.network):
        search = _Search(problem, damage, threshold, execution)
        search.run()
    kept = problem.graph.every & ~search.removed
    return Discovery(problem.graph, kept, search.now, search.runs)


class _Search:
    """The state of a search."""

    def __init__(
        self, problem: Problem, damage: Damage, threshold: float, execution: Execution
    ) -> None:
        self._problem, self._damage = problem, damage
        self._threshold, self._execution = threshold, execution
        self._graph = problem.graph
        self.removed = torch.zeros_like(self._graph.every)
        self.runs, self.now = 0, 0.0
        self._whole = self._streams(self.removed[None])
        self._at_once = 8

    def run(self) -> None:
        """Go through all receivers, those of a layer together that do not read one another."""
        graph = self._graph
        self._remove_into([graph.n_receivers - 1])
        for layer in reversed(range(graph.shape.n_layers)):
            first = layer * graph.readers
            if not graph.shape.attn_only:
                self._remove_into([first + graph.readers - 1])
            self._remove_into(list(reversed(range(first, first + 3 * graph.shape.n_heads))))

    def _remove_into(self, receivers: list[int]) -> None:
        candidates: list[tuple[int, int]] = []
        for receiver in receivers:
            senders = self._graph.every[receiver].nonzero()[:, 0].flip(0).tolist()
            if self._is_read(receiver):
                candidates += [(receiver, sender) for sender in senders]
            else:
                self.removed[receiver] = self._graph.every[receiver]
        while candidates:
            candidates = candidates[self._try(candidates[: self._at_once]) :]
            self._tell(undecided=candidates, until=receivers[-1])

    def _tell(self, undecided: list[tuple[int, int]], until: int) -> None:
        """Report the edges that are decided: all into `until` or a later receiver but some."""
        if self._execution.progress is not None:
            every = int(self._graph.every.sum())
            before = int(self._graph.every[:until].sum())
            self._execution.progress(every - before - len(undecided), every)

    def _is_read(self, receiver: int) -> bool:
        """Whether an edge is left out of the node that this is an input of."""
        node, _ = self._graph.receivers[receiver]
        if node.kind == "logits":
            return True
        sender = self._graph.sender(node)
        return bool((self._graph.every & ~self.removed)[:, sender].any())

    def _try(self, candidates: list[tuple[int, int]]) -> int:
        """Remove edges in order up to the first that costs too much; how many were decided."""
        rows, columns = torch.tensor(candidates).T
        sets = self.removed.repeat(len(candidates), 1, 1)
        for i in range(len(candidates)):
            sets[i, rows[: i + 1], columns[: i + 1]] = True
        self.runs += len(candidates)
        for i, found in enumerate(self._damages(sets)):
            if not found - self.now < self._threshold:
                self._at_once = max(4, i + 1)
                return i + 1
            self.now = found
            self.removed[candidates[i]] = True
        self._at_once = min(2 * self._at_once, 256)
        return len(candidates)

    # ---------------------------------------------------------------- damage
    def _streams(self, sets: Tensor) -> Tensor:
        """Final streams at the metric's position: [set batch d_model]."""
        size = (len(sets), len(self._problem.base), self._graph.shape.d_model)
        found = self._problem.network.W_E.new_empty(size)
        for examples, some in self._problem.blocks(len(sets), self._execution):
            found[some[:, None], examples] = self._problem.some(examples).streams(sets[some])
        return found

    def _damages(self, sets: Tensor) -> list[float]:
        streams = self._streams(sets)
        if self._damage == "kl":
            whole = self._log_probabilities(self._whole)
            return [self._kl(whole, stream) for stream in streams]
        both = torch.cat([self._whole, streams])
        network, answers = self._problem.network, self._problem.answers
        logits = metrics.answer_logits(network, both, answers)
        means = metrics.of_answers(logits).mean(1)
        falls = means[0] - means[1:]
        found: list[float] = (falls.abs() if self._damage == "distance" else falls).tolist()
        return found

    def _log_probabilities(self, stream: Tensor) -> Tensor:
        return self._problem.network.unembed(stream).log_softmax(-1)

    def _kl(self, whole: Tensor, stream: Tensor) -> float:
        found = self._log_probabilities(stream)
        return float((whole[0].exp() * (whole[0] - found)).sum(-1).mean())
