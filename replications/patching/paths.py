"""Path patching: what heads tell the logits, or other heads, with nobody in between.

A *sender* is a set of heads. Their outputs z are taken from the source run, at every position;
every other head gives what it gives in the base run. MLPs are recomputed from the changed residual
stream, or frozen too. At the *receiver*, where the path ends, LayerNorm is recomputed as well:

- receiver="logits": the final residual stream is unembedded;
- receiver=HeadInputs(sites.K, heads): the keys (queries, values) that these heads would compute are
  put into a second base run, in which everything in later layers runs freely.

Those are the two path patchings of Wang et al. 2022 (arXiv:2211.00593), there with MLPs
recomputed. `replications.patching.reference_paths` does the same through hooks, with one or two
runs for each sender.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens
from replications.lens.networks import as_network
from replications.models import sites
from replications.models.network import Network
from replications.models.shape import Head, Shape
from replications.models.sites import Site
from replications.patching._engine import metric as metrics
from replications.patching._engine.layer_operations import LayerOperations
from replications.patching._engine.path_wave import Paths, PathWave
from replications.patching.execution import DEFAULT, Execution, Progress
from replications.patching.results import PatchingResult

MLPs = Literal["frozen", "recomputed"]
Softmax = Literal["exact", "linear", "frozen"]
_INPUTS: dict[Site, Literal["q", "k", "v"]] = {sites.Q: "q", sites.K: "k", sites.V: "v"}


@dataclass(frozen=True)
class HeadInputs:
    """Queries, keys or values of some heads, where a path may end.

    `site` is sites.Q, sites.K or sites.V. `positions`: None for all, some positions of every
    example, or long [batch] or [batch n] for each example's own.

    `softmax` is about the attention patterns of these heads in the second run: "exact" recomputes
    them, "linear" takes their change to first order in the scores, around the base run, and
    "frozen" leaves them as they were in it. "linear" is a control for claims that several senders
    do more together than alone: patterns then add up, and what is left of the excess comes from
    LayerNorms, MLPs and later layers.
    """

    site: Site
    heads: Sequence[Head]
    positions: Sequence[int] | Tensor | None = None
    softmax: Softmax = "exact"

    def __post_init__(self) -> None:
        if self.site not in _INPUTS or not self.heads:
            raise BadInput(
                f"paths into {self.site.name!r} of {len(self.heads)} heads: give sites.Q, sites.K "
                "or sites.V and at least one head"
            )
        if self.softmax not in get_args(Softmax):
            raise BadInput(f"softmax={self.softmax!r}: give one of {get_args(Softmax)}")

    def mask(self, tokens: Tensor) -> Tensor:
        """The positions, as bool [batch pos]. Raises BadInput for one outside `tokens`."""
        batch, length = tokens.shape
        if self.positions is None:
            return torch.ones(batch, length, dtype=torch.bool)
        given = torch.as_tensor(self.positions).cpu()
        if not isinstance(self.positions, Tensor):
            given = given.expand(batch, -1)
        elif given.ndim == 1:
            given = given[:, None]
        if given.ndim != 2 or len(given) != batch:
            raise BadInput(
                f"positions {[*given.shape]} for {batch} examples: give a list that all examples "
                "share, or a tensor [batch] or [batch n]"
            )
        return _marked(metrics.from_zero(given, length), tokens)


Receiver = Literal["logits"] | HeadInputs


@dataclass(frozen=True)
class PathSweep(PatchingResult):
    """The metric with each sender patched along its path; the only axis is "sender"."""

    senders: tuple[tuple[Head, ...], ...]
    """The heads of each sender, as (layer, head)."""
    backend: str
    """The library that multiplied the matrices: onednn, mkl, mkl+onednn, blas or cublas."""
    flops: int
    """Arithmetic of the layers' matrices: 2 for each multiplication with an addition."""

    def mean_recovery(self) -> Tensor:
        """Recovery of the mean metric, [sender …]; its negative is the IOI paper's variation."""
        low, high = self.base.mean(0), self.source.mean(0)
        return (self.mean() - low) / (high - low)

    def grid(self, values: Tensor) -> Tensor:
        """`values` [sender …] as [layer head …], NaN where no sender is.

        Raises BadInput unless every sender is a single head.
        """
        if any(len(heads) != 1 for heads in self.senders):
            raise BadInput("only single heads make a grid, and a sender here has several")
        layers, heads = torch.tensor([heads[0] for heads in self.senders]).T
        size = (int(layers.max()) + 1, int(heads.max()) + 1)
        found = values.new_full((*size, *values.shape[1:]), torch.nan)
        found[layers, heads] = values
        return found


def every_head(model: Lens | Network, *, before: int | None = None) -> list[list[Head]]:
    """Each head as a sender of its own, layer by layer; only layers before `before`, if given."""
    shape = model.shape
    layers = shape.n_layers if before is None else min(before, shape.n_layers)
    return [[(layer, head)] for layer in range(layers) for head in range(shape.n_heads)]


def path_patch(
    model: Lens | Network,
    base: Tensor,
    source: Tensor,
    senders: Sequence[Sequence[Head]],
    receiver: Receiver = "logits",
    *,
    answers: Tensor,
    at: int | Tensor = -1,
    mlps: MLPs = "recomputed",
    execution: Execution = DEFAULT,
) -> PathSweep:
    """The metric with each sender's outputs from the source run, along the path to `receiver`.

    `base` and `source` are tokens [batch pos]; a sender is a list of heads (layer, head). The
    metric is read at position `at`, one for all examples or long [batch]. With `answers` long
    [batch 2], correct and incorrect, it is the difference of their logits; with another number of
    answers, their logits. `mlps="frozen"` leaves the direct path only.

    Exact: what one or two runs for each sender through hooks would give, up to rounding. Path
    patching has not been run on CUDA.

    Raises BadInput for tokens, heads, positions or answers that do not fit the model or each other,
    Unsupported for a lens with standing edits.
    """
    engine = execution.pack(as_network(model))
    network, given_on = engine.network, base.device
    base, source = metrics.prompt_tokens(network, base, source)
    wanted = tuple(tuple((int(layer), int(head)) for layer, head in sender) for sender in senders)
    _check(network.shape, wanted, receiver, mlps)
    answers = metrics.answer_tokens(answers, base, network.shape)
    at = metrics.metric_positions(at, base)
    ends = _marked(at[:, None], base) if isinstance(receiver, str) else receiver.mask(base)
    blocks = _blocks(network.shape, at, ends, wanted, execution.numbers(network.dtype))
    paths = _paths(wanted, receiver, mlps)
    operations = LayerOperations(engine)
    with torch.no_grad(), execution.precision(network):
        logits = _run(operations, paths, (base, source), answers, blocks, execution.progress)
    values, low, high = (metrics.of_answers(part).to(given_on) for part in logits)
    names = tuple("+".join(f"{layer}.{head}" for layer, head in heads) for heads in wanted)
    return PathSweep(
        values=values,
        axes=("sender",),
        labels={"sender": names},
        base=low,
        source=high,
        senders=wanted,
        backend=engine.library,
        flops=operations.flops,
    )


# -------------------------------------------------------------------- what was asked
def _marked(positions: Tensor, tokens: Tensor) -> Tensor:
    """Positions [batch n] of tokens [batch pos], as bool [batch pos] on the CPU."""
    return torch.zeros(tokens.shape, dtype=torch.bool).scatter_(1, positions, True)


def _check(shape: Shape, senders: Sequence[Sequence[Head]], receiver: Receiver, mlps: MLPs) -> None:
    if not senders or not all(senders):
        raise BadInput("give at least one sender, and at least one head (layer, head) in each")
    if isinstance(receiver, str) and receiver != "logits":
        raise BadInput(f"receiver={receiver!r}: give 'logits' or HeadInputs")
    ends = [] if isinstance(receiver, str) else receiver.heads
    for layer, head in [*(h for sender in senders for h in sender), *ends]:
        if not (0 <= layer < shape.n_layers and 0 <= head < shape.n_heads):
            raise BadInput(
                f"head {layer}.{head}: the model has {shape.n_layers} layers of "
                f"{shape.n_heads} heads, both from 0"
            )
    for heads in [*senders, ends]:
        if len(set(heads)) < len(heads):
            raise BadInput(f"a head is named twice in {list(heads)}")
    if mlps not in get_args(MLPs):
        raise BadInput(f"mlps={mlps!r}: give one of {get_args(MLPs)}")


def _paths(senders: Sequence[Sequence[Head]], receiver: Receiver, mlps: MLPs) -> Paths:
    if isinstance(receiver, str):
        return Paths(senders, "logits", {}, mlps, "exact")
    targets: dict[int, list[int]] = {}
    for layer, head in receiver.heads:
        targets.setdefault(layer, []).append(head)
    return Paths(senders, _INPUTS[receiver.site], targets, mlps, receiver.softmax)


# -------------------------------------------------------------------- what runs at once
@dataclass(frozen=True)
class _Block:
    """Examples and senders that go through the layers together."""

    examples: Tensor
    """Numbers of the examples: long [n]. They share `at` and `ends`."""
    senders: Tensor
    """Numbers of the senders, in the order of their first layers: long [n]."""
    at: int
    """The position the metric is read at."""
    ends: list[int]
    """The positions the paths end at."""


def _blocks(
    shape: Shape, at: Tensor, ends: Tensor, senders: Sequence[Sequence[Head]], budget: int
) -> Iterator[_Block]:
    """All examples and senders, in blocks that hold about `budget` numbers at a time.

    `at` is long [batch], `ends` bool [batch pos]. Examples are split first, since every split of
    the senders runs both prompts again.
    """
    order = torch.tensor(sorted(range(len(senders)), key=lambda i: min(senders[i])))
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, (end, marks) in enumerate(zip(at.tolist(), ends, strict=True)):
        groups.setdefault((end, *marks.nonzero()[:, 0].tolist()), []).append(row)
    for (end, *marked), rows in groups.items():
        causal, length = shape.attention == "causal", ends.shape[1]
        positions = max(1, end + 1 - min(marked, default=end)) if causal else length
        # About what a position of one sender and example holds at once: its stream and shift, q, k
        # and v, inputs and outputs of products, scores and pattern.
        width = max(shape.d_model, shape.n_heads * shape.d_head)
        held = 20 * width + 3 * shape.n_heads * length
        at_once = max(1, budget // (held * positions))
        for some in order.split(at_once):
            for examples in torch.tensor(rows).split(max(1, at_once // len(some))):
                yield _Block(examples, some, end, marked)


def _run(
    operations: LayerOperations,
    paths: Paths,
    prompts: tuple[Tensor, Tensor],
    answers: Tensor,
    blocks: Iterator[_Block],
    progress: Progress | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Answers' logits with each sender patched [sender batch answer], and of both prompts."""
    network, (base, source) = operations.network, prompts
    n_senders, done = len(paths.senders), 0
    values = network.W_U.new_empty(n_senders, *answers.shape)
    low, high = network.W_U.new_empty(2, *answers.shape)
    for block in blocks:
        rows, some = block.examples, block.senders
        part = replace(paths, senders=[paths.senders[i] for i in some])
        wave = PathWave(operations, part, base[rows], source[rows], block.at, block.ends)
        found = wave.run()
        low[rows], high[rows], changed = (
            metrics.answer_logits(network, stream, answers[rows])
            for stream in (found.base, found.source, found.changed)
        )
        # A sender that reaches no end leaves the base run as it is.
        values[some[:, None], rows] = low[rows]
        values[some[: len(changed), None], rows] = changed
        done += len(rows) * len(some)
        if progress is not None:
            progress(done, n_senders * len(answers))
    return values, low, high
