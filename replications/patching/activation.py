"""Exact activation patching of many places at the cost of little more than a few forward passes.

A place of the *receiver*'s run is given what it holds in the *donor*'s run, one place at a time,
and a metric is read from the logits. The results are those of one forward pass for each place
(`replications.patching.reference`), up to rounding; what is saved is work that could not matter:

- all patched runs go through the layers together, from the layer on in which they are patched;
- with causal attention, positions before the patch are the receiver's, and so are all patches
  before the first token in which the prompts differ;
- in the last layer, and of the unembedding, only what the metric reads is computed.

>>> found = sweep(lens, corrupted, clean, Grid(Z, "layer head pos"), answers)   # doctest: +SKIP
>>> found.recovery().mean(-1)                          # [layer head pos]         # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.lens import Lens
from replications.lens.networks import as_network
from replications.models import sites
from replications.models.network import Network
from replications.models.sites import Place, Site
from replications.patching._engine import flops, gemm
from replications.patching._engine.metric import answer_tokens, metric_positions
from replications.patching._engine.precision import matmul_precision
from replications.patching._engine.problem import Sites, Texts
from replications.patching._engine.runner import Found, Runner

Metric = Callable[[Tensor], Tensor]
"""Logits [batch pos d_vocab_out] to one number per example, [batch]."""
Progress = Callable[[int, int], None]
"""Called with the patched runs that are done, and all there are."""

KINDS = (
    sites.RESID_PRE, sites.RESID_MID, sites.RESID_POST, sites.ATTN_OUT, sites.MLP_OUT,
    sites.Z, sites.Q, sites.K, sites.V, sites.PATTERN,
)  # fmt: skip
"""What can be swept."""


@dataclass(frozen=True)
class Grid:
    """The places of one site by some of the axes layer, head and pos, in the order given.

    Of an axis that is not named all is patched at once. `layers`, `heads` and `positions` narrow
    the grid; None takes all. Of a pattern a position is a query's row. Raises BadInput for a site
    that cannot be swept, or an axis it does not have.
    """

    site: Site
    axes: str
    layers: Sequence[int] | None = None
    heads: Sequence[int] | None = None
    positions: Sequence[int] | None = None

    def __post_init__(self) -> None:
        names = self.axes.split()
        known = ["layer", "pos"] + ["head"] * ("head" in self.site.axes)
        if self.site not in KINDS:
            raise BadInput(f"site {self.site.name!r} cannot be swept; use patching.patch")
        if "layer" not in names or len(set(names)) < len(names) or set(names) - set(known):
            raise BadInput(
                f"axes {self.axes!r} of {self.site.name!r}: give 'layer' and any of "
                f"{' and '.join(known[1:])}, each once"
            )

    def labels(self, model: Network, length: int) -> dict[str, tuple[int, ...]]:
        """The layers, heads and positions of the grid, by axis."""
        whole = {
            "layer": (self.layers, model.shape.n_layers),
            "head": (self.heads, model.shape.n_heads),
            "pos": (self.positions, length),
        }
        found = {}
        for axis in self.axes.split():
            chosen, size = whole[axis]
            found[axis] = tuple(range(size) if chosen is None else chosen)
        return found

    def places(self, model: Network, length: int) -> list[Place]:
        """Every place, the last axis fastest."""
        labels = self.labels(model, length)
        rename = {"pos": "query"} if self.site is sites.PATTERN else {}
        found = []
        for values in product(*labels.values()):
            picks = dict(zip(labels, values, strict=True))
            layer = picks.pop("layer")
            found.append(self.site(layer).pick(**{rename.get(a, a): i for a, i in picks.items()}))
        return found


@dataclass(frozen=True)
class Sweep:
    """The metric with every place patched alone, and without a patch.

    With answers other than two, and no metric, there is an axis of answers at the end of
    `values`, `receiver` and `donor`: their logits.
    """

    values: Tensor
    """[*axes batch]"""
    axes: tuple[str, ...]
    """Names of the axes before batch."""
    labels: Mapping[str, tuple[object, ...]]
    """What each index of an axis stands for."""
    receiver: Tensor
    """[batch]"""
    donor: Tensor
    """[batch]"""
    backend: str
    """The library of the matrix products: onednn, mkl, blas or cublas."""
    flops: int
    """Of the whole call, also if several grids shared it; 2 for a multiplication and addition."""
    exact: bool
    """False where TF32 was asked for."""

    def mean(self) -> Tensor:
        """The mean metric over the examples: [*axes]."""
        return self.values.mean(len(self.axes))

    def recovery(self) -> Tensor:
        """The share of the way from the receiver's metric (0) to the donor's (1): [*axes batch]."""
        return (self.values - self.receiver) / (self.donor - self.receiver)


def sweep(
    model: Lens | Network,
    receiver: Tensor,
    donor: Tensor,
    sites: Grid | Sequence[Place],
    answers: Tensor | None,
    *,
    at: int | Tensor = -1,
    metric: Metric | None = None,
    memory_mb: float = 256,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    backend: gemm.Backend = "auto",
    tf32: bool = False,
    progress: Progress | None = None,
) -> Sweep:
    """Patch each place of the receiver's run with what the donor's run has there.

    `receiver` and `donor` are tokens [batch pos]; swap them for the other direction. `sites` is a
    Grid, or a list of places (a site in one layer, at one position or all, in one head or all).

    `answers` are tokens [batch 2]: the metric is the first one's logit less the second one's, at
    position `at` (one for all, or [batch]; counted from the end if negative). Any other number of
    answers gives their logits. With `metric`, a function of all logits, `answers` must be None and
    `at` is not read: slower, since every position of every patched run is computed to the end and
    unembedded, and the logits of the whole batch are held for one site after another.

    `memory_mb` bounds the activations held at a time, not the weights and not the logits of the
    unpatched runs; give much more on a GPU. Results do not depend on it but for rounding. `device`
    and `dtype` default to the network's. `tf32` allows faster products on CUDA, with errors of
    about 1e-3, and the result says that it is not exact. CUDA gets one attention call a layer,
    without CUDA graphs; that path was run on a CPU only.

    Raises BadInput for tokens, places, positions or answers that do not fit the model, Unsupported
    for a lens with standing edits.
    """
    return sweeps(
        model, receiver, donor, [sites], answers, at=at, metric=metric, memory_mb=memory_mb,
        device=device, dtype=dtype, backend=backend, tf32=tf32, progress=progress,
    )[0]  # fmt: skip


def sweeps(
    model: Lens | Network,
    receiver: Tensor,
    donor: Tensor,
    sites: Sequence[Grid | Sequence[Place]],
    answers: Tensor | None,
    *,
    at: int | Tensor = -1,
    metric: Metric | None = None,
    memory_mb: float = 256,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    backend: gemm.Backend = "auto",
    tf32: bool = False,
    progress: Progress | None = None,
) -> list[Sweep]:
    """Several sweeps in one pass, which reads the weights and runs the unpatched prompts once."""
    network = as_network(model)
    if (answers is None) == (metric is None):
        raise BadInput("give answers [batch n], or a metric of all logits, and not both")
    if memory_mb <= 0:
        raise BadInput(f"memory_mb must be more than 0, not {memory_mb}")
    texts = _texts(network, receiver, donor, at, whole=metric is not None)
    places = [_places(grid, network, texts.length) for grid in sites]
    table = Sites.of([place for part in places for place in part], network.shape, texts.length)
    packed = gemm.packed(network, device, dtype, backend)
    where = packed.network.device
    runner = Runner(packed, texts, table, memory_mb=memory_mb, progress=progress)
    fast = tf32 and where.type == "cuda"
    with torch.no_grad(), matmul_precision("high" if fast else "highest"):
        if metric is not None:
            found = runner.metric(metric)
        else:
            assert answers is not None
            found = runner.answers(answer_tokens(answers, receiver, network.shape).to(where))
            if found.receiver.shape[-1] == 2:
                found = Found(*(part[..., 0] - part[..., 1] for part in found))
    values, base, other = (part.to(receiver.device) for part in found)
    library = gemm.describe(packed.backend, where)
    exact = not fast and packed.network.dtype in (torch.float32, torch.float64)
    made = []
    for grid, part in zip(sites, places, strict=True):
        mine, values = values[: len(part)], values[len(part) :]
        labels = _labels(grid, part, network, texts.length)
        mine = mine.unflatten(0, [len(label) for label in labels.values()])
        axes = tuple(labels)
        made.append(Sweep(mine, axes, labels, base, other, library, runner.flops, exact))
    return made


def _labels(
    grid: Grid | Sequence[Place], places: Sequence[Place], network: Network, length: int
) -> Mapping[str, tuple[object, ...]]:
    return grid.labels(network, length) if isinstance(grid, Grid) else {"place": tuple(places)}


def expected_flops(
    model: Lens | Network,
    receiver: Tensor,
    donor: Tensor,
    sites: Sequence[Grid | Sequence[Place]],
    *,
    at: int | Tensor = -1,
    n_answers: int | None = 2,
) -> int:
    """The arithmetic of `sweeps` in closed form, if it fits in one chunk; `engine.flops` has it.

    `n_answers` is None for a metric of all logits.
    """
    network = as_network(model)
    texts = _texts(network, receiver, donor, at, whole=n_answers is None)
    places = [place for grid in sites for place in _places(grid, network, texts.length)]
    table = Sites.of(places, network.shape, texts.length)
    return flops.expected(network.shape, texts, table, n_answers or 0)


def _texts(
    network: Network, receiver: Tensor, donor: Tensor, at: int | Tensor, *, whole: bool
) -> Texts:
    if receiver.shape != donor.shape:
        raise BadInput(f"receiver tokens {[*receiver.shape]}, donor {[*donor.shape]}")
    for text in (receiver, donor):
        network.check(text)
    positions = metric_positions(at, receiver)
    return Texts.of(receiver, donor, positions, network.shape, whole=whole)


def _places(sites: Grid | Sequence[Place], network: Network, length: int) -> list[Place]:
    found = sites.places(network, length) if isinstance(sites, Grid) else list(sites)
    if not found:
        raise BadInput("no places: give a Grid, or at least one place")
    return found
