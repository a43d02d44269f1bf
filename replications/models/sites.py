"""Every activation the suite reads or edits, in one table, with its axes.

A `Site` names a kind of activation and where TransformerLens keeps it. A `Place` is a
site in one layer, possibly narrowed to one position, head or neuron:

>>> Z(2).pick(head=0, pos=1)
z[layer=2, pos=1, head=0]

Axis vocabulary: batch, pos (destination position), query, key, head, d_model, d_head, neuron.
Names follow TransformerLens; `ln1`, `ln2` and `ln_final` mean the output of the whole
LayerNorm, after scale and bias, on every version (`hook_normalized` does not). `q` and `k` are
before norms and rotation, and `k` and `v` have one entry for each head, also where heads share
them. `attn_out` and `mlp_out` are what is added to the stream. Layers whose MLP reads what
attention reads have no `resid_mid`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from replications.errors import BadInput

Index = int | slice


@dataclass(frozen=True)
class Site:
    """A kind of activation. `path` names a hook or, with `via="module"`, a module's output."""

    name: str
    axes: tuple[str, ...]
    path: str
    via: Literal["hook", "module"] = "hook"

    @property
    def layered(self) -> bool:
        return "{layer}" in self.path

    def __call__(self, layer: int | None = None) -> Place:
        """The place in `layer`, or without a layer for a site that exists once.

        Raises BadInput if a layer is missing or superfluous.
        """
        if self.layered != (layer is not None):
            need = "needs a layer" if self.layered else "exists once and takes no layer"
            raise BadInput(f"site {self.name!r} {need}, got layer={layer!r}")
        return Place(self, layer)


@dataclass(frozen=True)
class Place:
    """A site in one layer, narrowed by `picks`: pairs (axis, index)."""

    site: Site
    layer: int | None = None
    picks: tuple[tuple[str, Index], ...] = ()

    def pick(self, **index: Index) -> Place:
        """Narrow to an index or slice of named axes. Raises BadInput for an axis the site lacks."""
        for axis in index:
            if axis not in self.site.axes[1:]:
                raise BadInput(
                    f"site {self.site.name!r} has no axis {axis!r}; its axes are "
                    f"{' '.join(self.site.axes)}"
                )
        return Place(self.site, self.layer, self.picks + tuple(index.items()))

    @property
    def path(self) -> str:
        return self.site.path.format(layer=self.layer)

    @property
    def index(self) -> tuple[Index, ...]:
        """The index that narrows the full activation, one entry per axis."""
        picks = dict(self.picks)
        return tuple(picks.get(axis, slice(None)) for axis in self.site.axes)

    def __repr__(self) -> str:
        picks = dict(self.picks)
        parts = [f"{axis}={picks[axis]}" for axis in self.site.axes if axis in picks]
        if self.layer is not None:
            parts.insert(0, f"layer={self.layer}")
        return f"{self.site.name}[{', '.join(parts)}]"


_RESIDUAL = ("batch", "pos", "d_model")
_HEADS = ("batch", "pos", "head", "d_head")

EMBED = Site("embed", _RESIDUAL, "hook_embed")
POS_EMBED = Site("pos_embed", _RESIDUAL, "hook_pos_embed")
RESID_PRE = Site("resid_pre", _RESIDUAL, "blocks.{layer}.hook_resid_pre")
RESID_MID = Site("resid_mid", _RESIDUAL, "blocks.{layer}.hook_resid_mid")
RESID_POST = Site("resid_post", _RESIDUAL, "blocks.{layer}.hook_resid_post")
LN1 = Site("ln1", _RESIDUAL, "blocks.{layer}.ln1", via="module")
LN2 = Site("ln2", _RESIDUAL, "blocks.{layer}.ln2", via="module")
LN_FINAL = Site("ln_final", _RESIDUAL, "ln_final", via="module")
Q = Site("q", _HEADS, "blocks.{layer}.attn.hook_q")
K = Site("k", _HEADS, "blocks.{layer}.attn.hook_k")
V = Site("v", _HEADS, "blocks.{layer}.attn.hook_v")
Z = Site("z", _HEADS, "blocks.{layer}.attn.hook_z")
PATTERN = Site("pattern", ("batch", "head", "query", "key"), "blocks.{layer}.attn.hook_pattern")
ATTN_OUT = Site("attn_out", _RESIDUAL, "blocks.{layer}.hook_attn_out")
MLP_POST = Site("mlp_post", ("batch", "pos", "neuron"), "blocks.{layer}.mlp.hook_post")
MLP_OUT = Site("mlp_out", _RESIDUAL, "blocks.{layer}.hook_mlp_out")

SITES = (
    EMBED, POS_EMBED, RESID_PRE, RESID_MID, RESID_POST, LN1, LN2, LN_FINAL,
    Q, K, V, Z, PATTERN, ATTN_OUT, MLP_POST, MLP_OUT,
)  # fmt: skip
