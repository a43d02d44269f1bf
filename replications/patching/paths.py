"""Path patching: what heads tell the logits, or other heads, and nobody in between.

A sender is a set of heads. Their outputs z are taken from the donor run, at every position; every
other head gives what it gave in the receiver run. MLPs are recomputed from the changed residual
stream, or frozen too. Where the path ends, LayerNorm is recomputed as well:

- into="logits": the final residual stream is unembedded;
- into=HeadInputs(sites.K, heads): the keys (queries, values) these heads would compute are put
  into a second receiver run, in which everything after them runs free.

Those are the two path patchings of Wang et al. 2022 (arXiv:2211.00593), there with MLPs
recomputed. `replications.patching.reference_paths` does the same through hooks, with one or two
runs for each sender.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens
from replications.lens.networks import as_network
from replications.models import sites
from replications.models.network import Network
from replications.models.shape import Shape
from replications.models.sites import Site
from replications.patching._engine import metric as asked
from replications.patching._engine.gemm import Backend, Packed, describe, packed
from replications.patching._engine.layer_operations import Maps
from replications.patching._engine.path_wave import Head, Paths, Wave
from replications.patching._engine.precision import matmul_precision

_INPUTS: dict[Site, Literal["q", "k", "v"]] = {sites.Q: "q", sites.K: "k", sites.V: "v"}
MLPs = Literal["frozen", "recomputed"]
Softmax = Literal["exact", "linear", "frozen"]


@dataclass(frozen=True)
class HeadInputs:
    """Queries, keys or values of some heads, where a path may end.

    `site` is sites.Q, sites.K or sites.V. `positions`: None for all, some positions of every
    example, or long [batch] or [batch n] for each example's own.
    """

    site: Site
    heads: Sequence[Head]
    positions: Sequence[int] | Tensor | None = None

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
        return _marked(asked.from_zero(given, length), tokens)


@dataclass(frozen=True)
class PathSweep:
    """What each sender does along its path: the metric with it patched, and without."""

    values: Tensor
    """[sender batch], or answer logits [sender batch answer]."""
    senders: tuple[tuple[Head, ...], ...]
    receiver: Tensor
    """The metric of the unpatched receiver run: [batch …]."""
    donor: Tensor
    """Of the donor run."""
    backend: str
    """The library that multiplied the matrices: onednn, mkl, blas or cublas."""
    flops: int
    """Arithmetic of the layers' matrices: 2 for each multiplication with an addition."""

    @property
    def labels(self) -> list[str]:
        """A name for each sender: "4.11", or "2.2+4.11"."""
        return ["+".join(f"{layer}.{head}" for layer, head in heads) for heads in self.senders]

    def mean(self) -> Tensor:
        """Mean over the examples, [sender …]."""
        return self.values.mean(1)

    def recovery(self) -> Tensor:
        """The share of the way from the receiver's metric to the donor's: [sender batch …]."""
        return (self.values - self.receiver) / (self.donor - self.receiver)

    def mean_recovery(self) -> Tensor:
        """The same of the mean metrics, [sender …]; its negative is the IOI paper's variation."""
        low, high = self.receiver.mean(0), self.donor.mean(0)
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
    receiver: Tensor,
    donor: Tensor,
    senders: Sequence[Sequence[Head]],
    *,
    answers: Tensor,
    into: Literal["logits"] | HeadInputs = "logits",
    at: int | Tensor = -1,
    mlps: MLPs = "recomputed",
    softmax: Softmax = "exact",
    memory_mb: float = 256,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    backend: Backend = "auto",
) -> PathSweep:
    """The metric with each sender's outputs taken from the donor run, along one kind of path.

    `receiver` and `donor` are tokens [batch pos]. The metric is read at position `at`, one for all
    examples or long [batch]. With `answers` long [batch 2], correct and incorrect, it is the
    difference of their logits; with another number of answers, their logits.

    `mlps="frozen"` leaves the direct path only. `softmax` is about the patterns of the heads in
    `into`, in the second run: "linear" takes their change to first order in the scores, about the
    receiver run, and "frozen" leaves them as they were in it. "linear" is a control for claims that
    several senders do more together than alone: patterns then add up, and what is left comes from
    LayerNorms, MLPs and the layers after.

    Exact: what a run for each sender through hooks would give, up to rounding. `memory_mb` says
    about how much is held at a time beside the weights. `device` and `dtype` default to the
    network's; this has not been run on CUDA.

    Raises BadInput for tokens, heads, positions or answers that do not fit the model or each other,
    Unsupported for a lens with standing edits.
    """
    engine = packed(as_network(model), device, dtype, backend)
    network = engine.network
    given_on, receiver, donor = receiver.device, network.check(receiver), network.check(donor)
    if receiver.shape != donor.shape:
        raise BadInput(f"receiver tokens {[*receiver.shape]}, donor {[*donor.shape]}")
    wanted = tuple(tuple((int(layer), int(head)) for layer, head in sender) for sender in senders)
    _check_paths(network.shape, wanted, into, mlps, softmax)
    answers = asked.answer_tokens(answers, receiver, network.shape)
    metric_at = asked.metric_positions(at, receiver)
    chosen = into.mask(receiver) if into != "logits" else _marked(metric_at[:, None], receiver)
    order = torch.tensor(sorted(range(len(wanted)), key=lambda i: min(wanted[i])))
    room = int(memory_mb * 2**20) // network.W_U.element_size()
    maps, size = Maps(engine), (len(wanted), *answers.shape)
    values, low, high = (network.W_U.new_empty(s) for s in (size, size[1:], size[1:]))
    with torch.no_grad(), matmul_precision("highest"):
        for examples, some, end, ends in _blocks(network.shape, metric_at, chosen, order, room):
            paths = _paths([wanted[i] for i in some], into, mlps, softmax)
            found = Wave(maps, paths, receiver[examples], donor[examples], end, ends).run()
            low[examples] = _metric(engine, found.receiver, answers[examples])
            high[examples] = _metric(engine, found.donor, answers[examples])
            values[some[:, None], examples] = low[examples]
            reaching = some[: len(found.changed), None]
            values[reaching, examples] = _metric(engine, found.changed, answers[examples])
    if answers.shape[1] == 2:
        values, low, high = (v[..., 0] - v[..., 1] for v in (values, low, high))
    values, low, high = (v.to(given_on) for v in (values, low, high))
    library = describe(engine.backend, network.device)
    return PathSweep(values, wanted, low, high, library, maps.flops)


def _metric(engine: Packed, stream: Tensor, answers: Tensor) -> Tensor:
    """Logits of answers [batch n] in final streams [… batch d_model]: [… batch n]."""
    x = engine.network.norm("ln_final", None, stream)
    columns = engine.W_U_columns[answers]
    return torch.einsum("...bd,bnd->...bn", x, columns) + engine.network.b_U[answers]


# -------------------------------------------------------------------- what was asked
def _marked(positions: Tensor, tokens: Tensor) -> Tensor:
    """Positions [batch n] of tokens [batch pos], as bool [batch pos] on the CPU."""
    return torch.zeros(tokens.shape, dtype=torch.bool).scatter_(1, positions, True)


def _check_paths(
    shape: Shape,
    senders: Sequence[Sequence[Head]],
    into: Literal["logits"] | HeadInputs,
    mlps: MLPs,
    softmax: Softmax,
) -> None:
    if not senders or not all(senders):
        raise BadInput("give at least one sender, and at least one head (layer, head) in each")
    ends = [] if isinstance(into, str) else into.heads
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
    if softmax not in get_args(Softmax):
        raise BadInput(f"softmax={softmax!r}: give one of {get_args(Softmax)}")
    if isinstance(into, HeadInputs):
        if into.site not in _INPUTS or not into.heads:
            raise BadInput(
                f"paths into {into.site.name!r} of {len(into.heads)} heads: give sites.Q, sites.K "
                "or sites.V and at least one head"
            )
    elif into != "logits" or softmax != "exact":
        raise BadInput(f"into={into!r}, softmax={softmax!r}: give into='logits', or HeadInputs")


def _paths(
    senders: Sequence[Sequence[Head]],
    into: Literal["logits"] | HeadInputs,
    mlps: MLPs,
    softmax: Softmax,
) -> Paths:
    if not isinstance(into, HeadInputs):
        return Paths(senders, "logits", {}, mlps, softmax)
    targets: dict[int, list[int]] = {}
    for layer, head in into.heads:
        targets.setdefault(layer, []).append(head)
    return Paths(senders, _INPUTS[into.site], targets, mlps, softmax)


# -------------------------------------------------------------------- what runs at once
def _blocks(
    shape: Shape, at: Tensor, chosen: Tensor, senders: Tensor, memory: int
) -> Iterator[tuple[Tensor, Tensor, int, list[int]]]:
    """Examples and senders that go through the layers together, about `memory` numbers at a time.

    With their metric position and end positions, which they share. Examples are split first, since
    every split of the senders runs both prompts again.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, (end, marks) in enumerate(zip(at.tolist(), chosen, strict=True)):
        groups.setdefault((end, *marks.nonzero()[:, 0].tolist()), []).append(row)
    for (end, *ends), rows in groups.items():
        causal = shape.attention == "causal"
        positions = max(1, end + 1 - min(ends, default=end)) if causal else chosen.shape[1]
        # About what a position of one sender and example holds at once: its stream and shift, q, k
        # and v, what goes into and comes out of products, scores and pattern.
        width = max(shape.d_model, shape.n_heads * shape.d_head)
        held = 20 * width + 3 * shape.n_heads * chosen.shape[1]
        wanted = max(1, memory // (held * positions))
        for some in senders.split(wanted):
            for examples in torch.tensor(rows).split(max(1, wanted // len(some))):
                yield examples, some, end, ends
