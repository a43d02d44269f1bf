"""What a sweep has to compute: which patch in which example, and over which positions.

A patched run differs from the base run only in a *window* of positions: with causal attention from
the first patched position on. What is left out is left out for reasons of structure alone: equal
tokens up to a position, or causality. No activation is ever compared.

An example. Two layers, prompts of four tokens that differ from position 1 on, the metric read at
position 3, and four patches:

>>> from replications.models import sites
>>> shape = Shape(n_layers=2, n_heads=2, d_model=4, d_head=2, d_mlp=8, n_ctx=4, d_vocab=9,
...               d_vocab_out=9, act_fn="relu")
>>> base, source = torch.tensor([[5, 6, 7, 8]]), torch.tensor([[5, 0, 1, 2]])
>>> prompts = PromptPairs.of(base, source, torch.tensor([3]), shape, whole=False)
>>> prompts.first.tolist(), prompts.stop.tolist()
([1], [4])
>>> places = [sites.RESID_PRE(0).pick(pos=0), sites.RESID_PRE(0).pick(pos=2),
...           sites.K(0).pick(pos=1), sites.Z(1).pick(pos=2)]
>>> runs = needed(PatchTable.of(places, shape, length=4), prompts, n_layers=2)

Patch 0 changes nothing, since the prompts agree at position 0, and patch 3 nothing that is read:
after the last attention no position reaches another. Two runs remain. Patch 1 has the window of
positions 2 and 3, patch 2 that of 1 to 3:

>>> runs.patch.tolist(), runs.start.tolist(), runs.stop.tolist()
([1, 2], [2, 1], [4, 4])
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models import sites
from replications.models.shape import Shape
from replications.models.sites import Place

Ints = npt.NDArray[np.int64]
"""An array of whole numbers."""

ALL = -1
"""All positions, or all heads."""

_INSTEAD = "use replications.patching.reference.patch_by_hooks"


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
    sites.ATTN_OUT.name: Kind.Z,  # attn_out is z of all heads, up to a bias
    sites.Q.name: Kind.Q,
    sites.K.name: Kind.K,
    sites.V.name: Kind.V,
    sites.PATTERN.name: Kind.PATTERN,
}


@dataclass(frozen=True)
class PatchTable:
    """The places of a sweep in the engine's terms, one entry each."""

    kind: Ints
    time: Ints
    """2 l: between layers l - 1 and l. 2 l + 1: in layer l, after its attention."""
    pos: Ints
    head: Ints

    @classmethod
    def of(cls, places: Sequence[Place], shape: Shape, length: int) -> PatchTable:
        """Raises BadInput for a place that the sweep, the model or the prompt does not have."""
        found = [_canonical(place, shape, length) for place in places]
        kind, time, pos, head = np.array(found, dtype=np.int64).reshape(-1, 4).T
        return cls(kind, time, pos, head)

    @property
    def single(self) -> npt.NDArray[np.bool_]:
        """Whether the patch first changes one row of the stream, and not the whole window."""
        changes_later_queries = (self.kind == Kind.K) | (self.kind == Kind.V)
        found: npt.NDArray[np.bool_] = (self.pos != ALL) & ~changes_later_queries
        return found

    @property
    def key(self) -> Hashable:
        """Equal for equal tables."""
        return tuple(part.tobytes() for part in (self.kind, self.time, self.pos, self.head))

    def __len__(self) -> int:
        return len(self.kind)


def _canonical(place: Place, shape: Shape, length: int) -> tuple[int, int, int, int]:
    site, layer = place.site, place.layer
    axis = "query" if site is sites.PATTERN else "pos"
    known = [sites.RESID_PRE, sites.RESID_MID, sites.RESID_POST, sites.MLP_OUT]
    if site not in known and site.name not in _IN_ATTENTION:
        raise BadInput(f"{place!r}: a sweep does not patch {site.name!r}; {_INSTEAD}")
    assert layer is not None
    if not 0 <= layer < shape.n_layers:
        raise BadInput(f"{place!r}: the model has {shape.n_layers} layers, from 0")
    if shape.attn_only and site is sites.MLP_OUT:
        raise BadInput(f"{place!r}: the model has attention only, no MLP")
    if shape.parallel and site is sites.RESID_MID:
        raise BadInput(
            f"{place!r}: attention and MLP of this model read the same stream, so that there is "
            "none between them"
        )
    if {name for name, _ in place.picks} - {axis, "head"}:
        raise BadInput(f"{place!r}: a sweep patches whole rows of a pattern; {_INSTEAD}")
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
        raise BadInput(f"{place!r}: a sweep takes one {axis} or all; {_INSTEAD}")
    if not 0 <= found < size:
        raise BadInput(f"{place!r}: there are {size} of axis {axis!r}, from 0")
    return found


@dataclass(frozen=True)
class PromptPairs:
    """The base and source prompt of every example, and where they first differ."""

    base: Ints
    """Tokens: [example pos]"""
    source: Ints
    """Tokens: [example pos]"""
    at: Ints
    """The metric's position: [example]"""
    causal: bool
    whole: bool
    """Whether everything is wanted at every position, not only at `at`."""
    pad: int | None
    """The token of padding, which no query sees."""

    @classmethod
    def of(
        cls, base: Tensor, source: Tensor, at: Tensor, shape: Shape, *, whole: bool
    ) -> PromptPairs:
        """From tokens [batch pos] of both and the metric's positions [batch]."""
        ours, theirs, where = (part.cpu().numpy().astype(np.int64) for part in (base, source, at))
        return cls(ours, theirs, where, shape.attention == "causal", whole, shape.pad_token)

    def __len__(self) -> int:
        return len(self.base)

    @property
    def length(self) -> int:
        return int(self.base.shape[1])

    @property
    def first(self) -> Ints:
        """The first position that a patch may change: `length` where the prompts are equal."""
        differs = self.base != self.source
        return np.where(differs.any(1), differs.argmax(1) if self.causal else 0, self.length)

    @property
    def stop(self) -> Ints:
        """One past the last position that the metric may depend on."""
        everything = np.full(len(self), self.length)
        return everything if self.whole or not self.causal else self.at + 1

    @property
    def structure(self) -> Hashable:
        """What a plan depends on: equal for prompts with other tokens that have one plan."""
        padding = [] if self.pad is None else [self.base == self.pad, self.source == self.pad]
        parts = (self.first, self.stop, self.at, *padding)
        return self.length, self.causal, self.whole, *(part.tobytes() for part in parts)

    def take(self, examples: Ints) -> PromptPairs:
        """Some of the examples."""
        return PromptPairs(
            self.base[examples], self.source[examples], self.at[examples],
            self.causal, self.whole, self.pad,
        )  # fmt: skip


@dataclass(frozen=True)
class PatchedRuns:
    """Runs with one patch: a patch and an example each, and the window of positions it changes."""

    patch: Ints
    """Number of the patch in the PatchTable."""
    example: Ints
    start: Ints
    stop: Ints

    def __len__(self) -> int:
        return len(self.patch)

    def take(self, chosen: Ints) -> PatchedRuns:
        """Some of the runs."""
        parts = (self.patch, self.example, self.start, self.stop)
        return PatchedRuns(*(part[chosen] for part in parts))


def needed(patches: PatchTable, prompts: PromptPairs, n_layers: int) -> PatchedRuns:
    """Every run that may differ from the base run, ordered by example, then patch.

    Left out: patches before the prompts first differ, patches after the metric's position, and
    in the last layer those at another position than the metric's.
    """
    first, stop, at = prompts.first[:, None], prompts.stop[:, None], prompts.at[:, None]
    pos = np.where(patches.pos == ALL, first, patches.pos)
    alive = (first < stop) & (pos < stop)
    if prompts.causal:
        alive &= pos >= first
    if not prompts.whole:
        last = patches.single & (patches.time >= 2 * n_layers - 1)
        alive &= ~last | (pos == at)
    example, patch = np.nonzero(alive)
    start = pos[example, patch] if prompts.causal else np.zeros_like(patch)
    return PatchedRuns(patch, example, start, prompts.stop[example])


def as_tensor(values: Ints, device: torch.device) -> Tensor:
    """Row numbers as a tensor on the device that uses them."""
    return torch.from_numpy(np.ascontiguousarray(values)).to(device)
