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
_BY_LAYER = ("rotary", "windows", "score_scales")
"""What a shape says of each layer."""


def layers(network: Network, first: int, stop: int) -> Network:
    """Layers `first` … `stop` - 1. Its residual stream starts with embeddings all the same."""
    cut: dict[str, Any] = {
        field.name: value[first:stop]
        for field in fields(network)
        if field.name not in _NOT_LAYERED
        and isinstance(value := getattr(network, field.name), Tensor)
    }
    options: dict[str, Any] = {name: getattr(network.shape, name)[first:stop] for name in _BY_LAYER}
    shape = replace(network.shape, n_layers=stop - first, **options)
    return replace(network, shape=shape, **cut)


def one_head(network: Network, layer: int, head: int) -> Network:
    """A network of one head alone, as head 0 of layer 0, without an MLP."""
    cut = layers(network, layer, layer + 1)
    made: dict[str, Any] = {name: getattr(cut, name)[..., :0] for name in ("W_in", "b_in")}
    made |= {"W_out": cut.W_out[:, :0], "W_gate": None, "b_gate": None}
    made["W_O"] = cut.W_O[:, head : head + 1]
    for name in "qkv":
        W, b = cut.head_input(name, 0)  # its own, also where heads share keys and values
        one = slice(head, head + 1)
        made |= {f"W_{name.upper()}": W[None, one], f"b_{name.upper()}": b[None, one]}
    plain: dict[str, Any] = {"n_key_value_heads": None, "gated": False, "parallel": False}
    shape = replace(cut.shape, n_heads=1, d_mlp=0, attn_only=True, **plain)
    return replace(cut, shape=shape, **made)


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
