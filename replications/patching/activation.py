"""Exact activation patching of many places at the cost of little more than a few forward passes.

One place of the *base* run at a time is given what it holds in the *source* run, and a metric is
read from the logits. The results are those of one forward pass for each place
(`replications.patching.reference`), up to rounding. What is saved is work that could not matter:

- all patched runs go through the layers together, each from the layer on in which it is patched;
- with causal attention, positions before the patch hold what they hold in the base run, and
  patches before the first token in which the prompts differ change nothing;
- in the last layer, and in the unembedding, only what the metric reads is computed.

>>> found = sweep(lens, corrupted, clean, Grid(Z, "layer head pos"), answers)   # doctest: +SKIP
>>> found.recovery().mean(-1)                          # [layer head pos]         # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens
from replications.lens.networks import as_network
from replications.models.network import Network
from replications.models.sites import Place
from replications.patching._engine import flops
from replications.patching._engine import metric as metrics
from replications.patching._engine.problem import PatchTable, PromptPairs
from replications.patching._engine.runner import Runner, SweepValues
from replications.patching.execution import DEFAULT, Execution
from replications.patching.grid import Grid, list_places
from replications.patching.metrics import Metric
from replications.patching.results import PatchingResult


@dataclass(frozen=True)
class Sweep(PatchingResult):
    """The metric with every place patched alone, computed exactly."""

    backend: str
    """The library of the matrix products: onednn, mkl, mkl+onednn, blas or cublas."""
    flops: int
    """Arithmetic of the whole call, which several sweeps may have shared; 2 for each
    multiplication with an addition."""
    exact: bool
    """False where TF32 or half precision was asked for."""


def sweep(
    model: Lens | Network,
    base: Tensor,
    source: Tensor,
    places: Grid | Sequence[Place],
    answers: Tensor | None,
    *,
    at: int | Tensor = -1,
    metric: Metric | None = None,
    execution: Execution = DEFAULT,
) -> Sweep:
    """Patch each place of the base run with what the source run has there.

    `base` and `source` are tokens [batch pos]; swap them for the other direction. `places` is a
    Grid, or a list of places (a site in one layer, at one position or all, in one head or all).

    `answers` are tokens [batch 2]: the metric is the first one's logit less the second one's, at
    position `at` (one for all examples, or [batch]; counted from the end if negative). Any other
    number of answers gives their logits.

    With `metric`, a function of all logits, `answers` must be None, and `at` is not read. This is
    slower: every position of every patched run is computed to the end and unembedded, and the
    logits of the whole batch are held for one place after another.

    CUDA gets one attention call per layer, and CUDA graphs if `execution` asks for them; both were
    run on a CPU only.

    Raises BadInput for tokens, places, positions or answers that do not fit the model, Unsupported
    for a lens with standing edits.
    """
    return sweeps(
        model, base, source, [places], answers, at=at, metric=metric, execution=execution
    )[0]


def sweeps(
    model: Lens | Network,
    base: Tensor,
    source: Tensor,
    places: Sequence[Grid | Sequence[Place]],
    answers: Tensor | None,
    *,
    at: int | Tensor = -1,
    metric: Metric | None = None,
    execution: Execution = DEFAULT,
) -> list[Sweep]:
    """Several sweeps of one pair of prompts, in the order of `places`; see `sweep`.

    They share one pass, which reads the weights and runs the unpatched prompts once.
    """
    if (answers is None) == (metric is None):
        raise BadInput("give answers [batch n], or a metric of all logits, and not both")
    network = as_network(model)
    prompts = _prompts(network, base, source, at, whole=metric is not None)
    listed = [list_places(some, network, prompts.length) for some in places]
    table = PatchTable.of([p for some, _ in listed for p in some], network.shape, prompts.length)
    packed = execution.pack(network)
    budget = execution.numbers(packed.network.dtype)
    runner = Runner(
        packed, prompts, table, budget=budget, progress=execution.progress,
        graphs=execution.cuda_graphs,
    )  # fmt: skip
    with torch.no_grad(), execution.precision(packed.network):
        if metric is not None:
            found = runner.metric(metric)
        else:
            assert answers is not None
            chosen = metrics.answer_tokens(answers, base, network.shape)
            logits = runner.answers(chosen.to(packed.network.device))
            found = SweepValues(*map(metrics.of_answers, logits))
    values, low, high = (part.to(base.device) for part in found)
    made, begin = [], 0
    for some, labels in listed:
        mine = values[begin : begin + len(some)]
        begin += len(some)
        made.append(
            Sweep(
                values=mine.unflatten(0, [len(label) for label in labels.values()]),
                axes=tuple(labels),
                labels=labels,
                base=low,
                source=high,
                backend=packed.library,
                flops=runner.flops,
                exact=execution.exact(packed.network),
            )
        )
    return made


def expected_flops(
    model: Lens | Network,
    base: Tensor,
    source: Tensor,
    places: Sequence[Grid | Sequence[Place]],
    *,
    at: int | Tensor = -1,
    n_answers: int | None = 2,
) -> int:
    """The arithmetic of `sweeps` in closed form, if it needs a single chunk.

    The formula is in `replications.patching._engine.flops`. `n_answers` is None for a metric of
    all logits.
    """
    network = as_network(model)
    prompts = _prompts(network, base, source, at, whole=n_answers is None)
    listed = [place for some in places for place in list_places(some, network, prompts.length)[0]]
    table = PatchTable.of(listed, network.shape, prompts.length)
    return flops.expected(network.shape, prompts, table, n_answers or 0)


def _prompts(
    network: Network, base: Tensor, source: Tensor, at: int | Tensor, *, whole: bool
) -> PromptPairs:
    base, source = metrics.prompt_tokens(network, base, source)
    positions = metrics.metric_positions(at, base)
    return PromptPairs.of(base, source, positions, network.shape, whole=whole)
