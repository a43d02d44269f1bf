"""The forward pass of `Network` in fewer, larger operations, for the many runs of scrubbing.

It computes the same function two to three times as fast, and keeps less: queries, keys, values and
patterns of attention are never seen, so edits there are left to `Network`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from replications.models import Edit, Network, Place, Site, sites

KNOWN: tuple[Site, ...] = (
    sites.EMBED, sites.RESID_PRE, sites.Z, sites.ATTN_OUT, sites.MLP_OUT, sites.RESID_POST,
)  # fmt: skip
"""What is kept of a run, and where edits can be made."""

At = Callable[[Place, Tensor], Tensor]


def cache(network: Network, tokens: Tensor, edits: Sequence[Edit] = ()) -> dict[Place, Tensor]:
    """The activations of a run at the sites in `KNOWN`, after the edits: as `Network.cache`."""
    allowed = network.allowed(tokens)
    blind = not bool(allowed.any(-1).all())  # a query that may look at no key
    if blind or network.shape.positions != "standard" or any(_unknown(edit) for edit in edits):
        return network.cache(tokens, edits)
    seen: dict[Place, Tensor] = {}

    def at(place: Place, value: Tensor) -> Tensor:
        for edit in edits:
            if (edit.place.site, edit.place.layer) == (place.site, place.layer):
                value, index = value.clone(), edit.place.index
                value[index] = edit.change(value[index].clone(), slice(0, len(tokens)))
        seen[place] = value
        return value

    mask = None if bool(allowed.all()) else allowed
    x = at(sites.EMBED(), network.W_E[tokens]) + network.W_pos[: tokens.shape[1]]
    for layer in range(network.shape.n_layers):
        x = at(sites.RESID_PRE(layer), x)
        x = x + _attention(network, layer, x, mask, at)
        if not network.shape.attn_only:
            x = x + _mlp(network, layer, x, at)
        x = at(sites.RESID_POST(layer), x)
    return seen


def _unknown(edit: Edit) -> bool:
    return edit.place.site not in KNOWN


def _attention(network: Network, layer: int, x: Tensor, mask: Tensor | None, at: At) -> Tensor:
    shape = network.shape
    batch, length, _ = x.shape
    # [d_model 3 head d_head] as one matrix
    weights = torch.stack([network.W_Q[layer], network.W_K[layer], network.W_V[layer]])
    matrix = weights.permute(2, 0, 1, 3).reshape(shape.d_model, -1)
    bias = torch.stack([network.b_Q[layer], network.b_K[layer], network.b_V[layer]]).flatten()
    made = torch.addmm(bias, network.norm("ln1", layer, x).flatten(0, 1), matrix)
    made = made.view(batch, length, 3, shape.n_heads, shape.d_head)
    q, k, v = made.permute(2, 0, 3, 1, 4)
    z = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    z = at(sites.Z(layer), z.transpose(1, 2))
    out = torch.addmm(network.b_O[layer], z.flatten(2).flatten(0, 1), network.W_O[layer].flatten(0, 1))
    return at(sites.ATTN_OUT(layer), out.view_as(x))


def _mlp(network: Network, layer: int, x: Tensor, at: At) -> Tensor:
    read = network.norm("ln2", layer, x).flatten(0, 1)
    neurons = network.activation(torch.addmm(network.b_in[layer], read, network.W_in[layer]))
    out = torch.addmm(network.b_out[layer], neurons, network.W_out[layer])
    return at(sites.MLP_OUT(layer), out.view_as(x))
