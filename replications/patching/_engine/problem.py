"""What a sweep has to compute: which site in which example, from where to where, and what not.

A patched run differs from the receiver's run only in a window of positions: with causal attention
from the first patched position on. What is left out is left out for reasons of structure alone:
equal tokens up to a position, or causality. No activation is ever compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models import sites
from replications.models.shape import Shape
from replications.models.sites import Place

Ints = np.ndarray
"""An array of whole numbers."""

ALL = -1
"""All positions, or all heads."""


class Kind(IntEnum):
    """Kinds of patches: the first two between layers, the others in one, after its attention."""

    RESID = 0
    MLP_OUT = 1
    Z = 2
    Q = 3
    K = 4
    V = 5
    PATTERN = 6
    RESID_MID = 7


_IN_ATTENTION = {
    sites.Z.name: Kind.Z,
    sites.ATTN_OUT.name: Kind.Z,  # the same as z of all heads
    sites.Q.name: Kind.Q,
    sites.K.name: Kind.K,
    sites.V.name: Kind.V,
    sites.PATTERN.name: Kind.PATTERN,
}


@dataclass(frozen=True)
class Sites:
    """Places in the engine's own words, one entry each."""

    kind: Ints
    time: Ints
    """2 l: between layers l - 1 and l. 2 l + 1: in layer l, after its attention."""
    pos: Ints
    head: Ints

    @classmethod
    def of(cls, places: Sequence[Place], shape: Shape, length: int) -> Sites:
        """BadInput for a place that the sweep, the model or the prompt does not have."""
        found = [_canonical(place, shape, length) for place in places]
        kind, time, pos, head = np.array(found, dtype=np.int64).reshape(-1, 4).T
        return cls(kind, time, pos, head)

    @property
    def single(self) -> Ints:
        """Whether the patch changes one row of the stream first, and not the whole window."""
        changes_later_queries = (self.kind == Kind.K) | (self.kind == Kind.V)
        return (self.pos != ALL) & ~changes_later_queries

    def __len__(self) -> int:
        return len(self.kind)


def _canonical(place: Place, shape: Shape, length: int) -> tuple[int, int, int, int]:
    site, layer = place.site, place.layer
    axis = "query" if site is sites.PATTERN else "pos"
    known = [sites.RESID_PRE, sites.RESID_MID, sites.RESID_POST, sites.MLP_OUT]
    if site not in known and site.name not in _IN_ATTENTION:
        raise BadInput(f"{place!r}: a sweep does not patch {site.name!r}; use patching.patch")
    assert layer is not None
    if not 0 <= layer < shape.n_layers:
        raise BadInput(f"{place!r}: the model has {shape.n_layers} layers, from 0")
    if shape.attn_only and site is sites.MLP_OUT:
        raise BadInput(f"{place!r}: the model has attention only, no MLP")
    if {name for name, _ in place.picks} - {axis, "head"}:
        raise BadInput(f"{place!r}: a sweep patches whole rows of a pattern; use patching.patch")
    pos = _index(place, axis, length)
    head = _index(place, "head", shape.n_heads)
    if site is sites.RESID_PRE:
        return Kind.RESID, 2 * layer, pos, ALL
    if site is sites.RESID_POST or (site is sites.RESID_MID and shape.attn_only):
        return Kind.RESID, 2 * layer + 2, pos, ALL
    if site is sites.MLP_OUT:
        return Kind.MLP_OUT, 2 * layer + 2, pos, ALL
    if site is sites.RESID_MID:
        return Kind.RESID_MID, 2 * layer + 1, pos, ALL
    return _IN_ATTENTION[site.name], 2 * layer + 1, pos, head


def _index(place: Place, axis: str, size: int) -> int:
    """The picked index of an axis, or ALL."""
    found = dict(place.picks).get(axis)
    if found is None:
        return ALL
    if isinstance(found, slice):
        raise BadInput(f"{place!r}: a sweep takes one {axis} or all; use patching.patch")
    if not 0 <= found < size:
        raise BadInput(f"{place!r}: there are {size} of axis {axis!r}, from 0")
    return found


@dataclass(frozen=True)
class Texts:
    """The two prompts of every example, and where they first differ; axes [example pos]."""

    receiver: Ints
    donor: Ints
    at: Ints
    """The metric's position in each example."""
    causal: bool
    whole: bool
    """Whether everything is wanted at every position, not only at `at`."""
    pad: int | None

    @classmethod
    def of(cls, receiver: Tensor, donor: Tensor, at: Tensor, shape: Shape, *, whole: bool) -> Texts:
        """From tokens [batch pos] of both and the metric's positions [batch]."""
        receiving, giving, where = (t.cpu().numpy().astype(np.int64) for t in (receiver, donor, at))
        causal = shape.attention == "causal"
        return cls(receiving, giving, where, causal, whole, shape.pad_token)

    def __len__(self) -> int:
        return len(self.receiver)

    @property
    def length(self) -> int:
        return int(self.receiver.shape[1])

    @property
    def first(self) -> Ints:
        """The first position that a donor may change: `length` where the prompts are equal."""
        differs = self.receiver != self.donor
        return np.where(differs.any(1), differs.argmax(1) if self.causal else 0, self.length)

    @property
    def stop(self) -> Ints:
        """One past the last position that the metric may depend on."""
        everything = np.full(len(self), self.length)
        return everything if self.whole or not self.causal else self.at + 1

    def take(self, examples: Ints) -> Texts:
        return Texts(
            self.receiver[examples], self.donor[examples], self.at[examples],
            self.causal, self.whole, self.pad,
        )  # fmt: skip


@dataclass(frozen=True)
class Runs:
    """Patched runs: pairs of a site and an example, each with its window of positions."""

    site: Ints
    example: Ints
    start: Ints
    stop: Ints

    def __len__(self) -> int:
        return len(self.site)

    def take(self, chosen: Ints) -> Runs:
        return Runs(*(part[chosen] for part in (self.site, self.example, self.start, self.stop)))


def needed(table: Sites, texts: Texts, n_layers: int) -> Runs:
    """Every run that may differ from the receiver's, by example, then site.

    Left out: patches before the prompts first differ, patches after the metric's position, and
    in the last layer those at another position than the metric's.
    """
    first, stop, at = texts.first[:, None], texts.stop[:, None], texts.at[:, None]
    pos = np.where(table.pos == ALL, first, table.pos)
    alive = (first < stop) & (pos < stop)
    if texts.causal:
        alive &= pos >= first
    if not texts.whole:
        last = table.single & (table.time >= 2 * n_layers - 1)
        alive &= ~last | (pos == at)
    example, site = np.nonzero(alive)
    start = pos[example, site] if texts.causal else np.zeros_like(site)
    return Runs(site, example, start, texts.stop[example])


def chunks(
    texts: Texts, runs: Runs, run_bytes: Ints, base_bytes: Ints, budget: float, *, by_site: bool
) -> Iterator[tuple[Ints, Runs]]:
    """Examples and runs that are computed together, in parts of about `budget` bytes.

    Ordered by example, so that base runs are rarely repeated; every example comes up at least
    once. `by_site` keeps the sites whole instead, and every chunk has all the examples.
    """
    if by_site:
        # The unpatched runs come with the first site, to be there even if there is no run.
        sizes = np.bincount(runs.site + 1, run_bytes, minlength=1)
        sizes[0] = base_bytes.sum()
        part = _parts(sizes, budget)[runs.site + 1]
        for i in range(part.max(initial=0) + 1):
            yield np.arange(len(texts)), runs.take(np.flatnonzero(part == i))
        return
    # An example's base runs come with its first patched run.
    example = np.concatenate([np.arange(len(texts)), runs.example])
    order = np.argsort(example, kind="stable")
    part = np.empty_like(example)
    part[order] = _parts(np.concatenate([base_bytes, run_bytes])[order], budget)
    for i in range(part.max() + 1):
        mine = np.flatnonzero(part == i)
        examples = np.unique(example[mine])
        yield examples, runs.take(mine[mine >= len(texts)] - len(texts))


def _parts(sizes: Ints, budget: float) -> Ints:
    """The number of each item's part, in order, all parts of nearly one size."""
    total = sizes.cumsum()
    n_parts = max(1, int(np.ceil(total[-1] / budget)))
    middles = total - sizes / 2
    found: Ints = np.minimum((middles / total[-1] * n_parts).astype(np.int64), n_parts - 1)
    return np.unique(found, return_inverse=True)[1]


def as_tensor(values: Ints, device: torch.device) -> Tensor:
    """Row numbers where they are needed."""
    return torch.from_numpy(np.ascontiguousarray(values)).to(device)
