"""Parts of a toy's circuit, destroyed one at a time, to see which claims notice.

Some lesions are what wrong preprocessing does to the weights, and one is an untrained model.  Each
changes the weights, so that every measurement is made on the damaged model.  Heads are taken by
role, as found in the intact toy.  A head without a role is destroyed for comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models import Head
from replications.systems.name_recall import model
from replications.systems.name_recall.data import FIRST, LAST, LAST_NAMES, tokenizer
from replications.systems.name_recall.roles import Roles

W_O = ("blocks.0.attn.W_O", "blocks.1.attn.W_O")
SCALES = ("ln1.w", "ln2.w", "ln_final.w")
UNTRAINED_SEED = 0
Weights = Mapping[str, Tensor]
Lesion = Callable[[Weights, Roles], dict[str, Tensor]]
"""Returns the weights (classic names) with one part destroyed, and leaves its argument alone."""


def _zeroed(choose: Callable[[Weights, Roles], tuple[Head, ...]]) -> Lesion:
    """Set what some heads write to zero: W_O, so that their attention stays as it is."""

    def destroy(weights: Weights, roles: Roles) -> dict[str, Tensor]:
        changed = dict(weights)
        for layer, head in choose(weights, roles):
            name = W_O[layer]
            changed[name] = changed[name].clone()
            changed[name][head] = 0
        return changed

    return destroy


def without_role(weights: Weights, roles: Roles) -> Head:
    """The first head of layer 0 that plays no part.  BadInput if each of them does."""
    for head in range(len(weights[W_O[0]])):
        if (0, head) not in roles.taken:
            return 0, head
    raise BadInput("every head of layer 0 has a role: none is left to compare with")


def _exchange_positions(weights: Weights, roles: Roles) -> dict[str, Tensor]:
    """Exchange the positional embeddings of the first and the last name."""
    rows = weights["pos_embed.W_pos"].clone()
    rows[[FIRST, LAST]] = rows[[LAST, FIRST]]
    return dict(weights) | {"pos_embed.W_pos": rows}


def _exchange_answers(weights: Weights, roles: Roles) -> dict[str, Tensor]:
    """Exchange the last names in the unembedding: the first with the second, and so on."""
    tokens = torch.tensor([tokenizer().token(name) for name in LAST_NAMES])
    order = torch.arange(weights["unembed.W_U"].shape[1])
    order[tokens] = tokens.view(-1, 2).flip(1).flatten()
    changed = {name: weights[name][..., order] for name in ("unembed.W_U", "unembed.b_U")}
    return dict(weights) | changed


def _shift_positions(weights: Weights, roles: Roles) -> dict[str, Tensor]:
    """Read each position's embedding one to the left, as without the token that opens a text."""
    return dict(weights) | {"pos_embed.W_pos": weights["pos_embed.W_pos"].roll(-1, 0)}


def _without_scale(weights: Weights, roles: Roles) -> dict[str, Tensor]:
    """Leave out the LayerNorms' weights, as when matrices are taken for folded that are not."""
    return {
        name: torch.ones_like(value) if name.endswith(SCALES) else value
        for name, value in weights.items()
    }


def _untrained(weights: Weights, roles: Roles) -> dict[str, Tensor]:
    """The weights that training starts from, of one seed."""
    start = model.untrained_state_dict(UNTRAINED_SEED)
    return {name: start[name].to(value) for name, value in weights.items()}


LESIONS: dict[str, Lesion] = {
    "previous-token head zeroed": _zeroed(lambda weights, roles: roles.previous),
    "copying heads zeroed": _zeroed(lambda weights, roles: roles.copying),
    "head without a role zeroed": _zeroed(lambda weights, roles: (without_role(weights, roles),)),
    "positions of the names exchanged": _exchange_positions,
    "positions shifted by one": _shift_positions,
    "last names exchanged in the unembedding": _exchange_answers,
    "LayerNorm scale left out": _without_scale,
    "untrained": _untrained,
}
"""No toy has a duplicate-token head or a second head, so there is none to destroy."""
