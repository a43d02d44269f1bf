"""Some layers of a network as a network of its own, so that no more is computed than is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from torch import Tensor

from replications.errors import Unsupported
from replications.models import Edit, Network, Place

_BETWEEN = ("resid_pre", "resid_mid", "resid_post", "attn_out", "ln_final")
"""Sites where an edit would not belong to one head or MLP, so that no path could be told apart."""
_NOT_LAYERED = ("W_E", "W_pos", "W_U", "b_U", "ln_final_w", "ln_final_b")


def layers(network: Network, first: int, stop: int) -> Network:
    """Layers `first` … `stop` - 1. Its residual stream starts with embeddings all the same."""
    cut: dict[str, Any] = {
        field.name: value[first:stop]
        for field in fields(network)
        if field.name not in _NOT_LAYERED
        and isinstance(value := getattr(network, field.name), Tensor)
    }
    return replace(network, shape=replace(network.shape, n_layers=stop - first), **cut)


def one_head(network: Network, layer: int, head: int) -> Network:
    """A network of one head alone, as head 0 of layer 0, without an MLP."""
    cut = layers(network, layer, layer + 1)
    shape = replace(cut.shape, n_heads=1, d_mlp=0, attn_only=True)
    heads: dict[str, Any] = {
        name: getattr(cut, name)[:, head : head + 1]
        for name in ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V")
    }
    neurons: dict[str, Any] = {name: getattr(cut, name)[..., :0] for name in ("W_in", "b_in")}
    return replace(cut, shape=shape, W_out=cut.W_out[:, :0], **heads, **neurons)


def edits_within(edits: Sequence[Edit], first: int, stop: int) -> list[Edit]:
    """The edits in these layers, with layers counted from `first`.

    Edits of the embeddings are left out unless `first` is 0. Raises Unsupported for edits of the
    residual stream, or of sums over heads, which belong to no single path.
    """
    found = []
    for edit in edits:
        place, layer = edit.place, edit.place.layer
        if place.site.name in _BETWEEN:
            raise Unsupported(f"{place!r}: an edit there belongs to no single path; edit z instead")
        if layer is None and first == 0:
            found.append(edit)
        elif layer is not None and first <= layer < stop:
            found.append(Edit(Place(place.site, layer - first, place.picks), edit.change))
    return found
