"""Parts of a toy's circuit, destroyed one at a time, to see which claims notice.

Each lesion changes the weights, so that every measurement is made on the damaged model.  Heads are
taken by role, as found in the intact toy.  A head without a role is destroyed for comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models import Head
from replications.systems.name_recall.data import FIRST, LAST, LAST_NAMES, tokenizer
from replications.systems.name_recall.roles import ROLES, Roles

W_O = ("blocks.0.attn.W_O", "blocks.1.attn.W_O")
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
    taken = {getattr(roles, role) for role in ROLES} | set(roles.all_copying)
    for head in range(len(weights[W_O[0]])):
        if (0, head) not in taken:
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


LESIONS: dict[str, Lesion] = {
    "previous-token head zeroed": _zeroed(lambda weights, roles: (roles.previous,)),
    "duplicate-token head zeroed": _zeroed(lambda weights, roles: (roles.duplicate,)),
    "copying heads zeroed": _zeroed(lambda weights, roles: roles.all_copying),
    "second head zeroed": _zeroed(lambda weights, roles: (roles.second,)),
    "head without a role zeroed": _zeroed(lambda weights, roles: (without_role(weights, roles),)),
    "positions of the names exchanged": _exchange_positions,
    "last names exchanged in the unembedding": _exchange_answers,
}
