"""Whether the sites of a lens show and do what they should: a comparison with its weights.

TransformerLens has changed the meaning of a hook without notice (`hook_normalized` in 3.0) and has
hooks whose edits are dropped (`hook_pattern` of 3.9's own small bridge). So each architecture is
compared with a plain forward pass once, before its first run: what a site reads, and what an edit
there does to the logits. A site that fails is refused from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from replications.errors import BadInput, Unsupported
from replications.lens.base import Lens, Read, Run, Soundness
from replications.models.edits import Edit, apply
from replications.models.network import Network
from replications.models.sites import (
    ATTN_OUT,
    LN1,
    LN2,
    LN_FINAL,
    MLP_OUT,
    MLP_POST,
    PATTERN,
    RESID_MID,
    RESID_POST,
    RESID_PRE,
    SITES,
    K,
    Place,
    Q,
    V,
    Z,
)

TOLERANCE = 1e-3
"""How far two values may lie apart, as the root mean square of the difference relative to that of
the true value. Rounding in float32 gives about 1e-5."""
SHOWS = 1e-3
"""An edit is compared only if it changes the logits by more than this part of them."""

ORDER = (
    RESID_PRE, LN1, Q, K, V, PATTERN, Z, ATTN_OUT, RESID_MID, LN2, MLP_POST, MLP_OUT, RESID_POST,
)  # fmt: skip
"""The sites of a layer as they are computed."""

RunBatch = Callable[[Tensor, Mapping[str, Read], Sequence[Edit]], Run]


def examine(lens: Lens, run: RunBatch) -> Soundness:
    """Which sites of the first and last layer differ from a plain forward pass of the weights.

    `run` runs one batch of the lens without any check.
    """
    try:
        network = Network.from_state_dict(lens.shape, lens.state_dict)
    except Unsupported:  # nothing to compare with
        return Soundness()
    network = network.to("cpu", lens.weights.W_E.dtype)
    tokens = random_tokens(lens, 2, 6)
    places = places_of(lens, {0, lens.shape.n_layers - 1})
    true, logits = network.cache(tokens), network.forward(tokens)
    seen = run(tokens, {repr(place): Read(place) for place in places}, ())
    wrong = [p.site for p in places if _apart(seen[repr(p)].cpu(), true[p]) > TOLERANCE]
    dead = []
    for place in places:
        edit = apply(place, lambda value: value / -2)
        expected = network.forward(tokens, [edit])
        found = run(tokens, {}, [edit]).logits.cpu()
        effect = _size(expected - logits)
        if effect > SHOWS * _size(logits) and _size(found - expected) > 10 * TOLERANCE * effect:
            dead.append(place.site)
    return Soundness(tuple(dict.fromkeys(wrong)), tuple(dict.fromkeys(dead)))


def random_tokens(lens: Lens, batch: int, length: int) -> Tensor:
    """Random tokens [batch pos], equal in every call; cut to the model's context if that is less.

    If the model has a padding token, each row but the first ends in some.
    """
    generator = torch.Generator().manual_seed(0)
    length = min(length, lens.shape.n_ctx)
    pad = lens.shape.pad_token
    allowed = torch.tensor([t for t in range(lens.shape.d_vocab) if t != pad])
    tokens = allowed[torch.randint(len(allowed), (batch, length), generator=generator)]
    if pad is not None:
        full = length - torch.arange(batch) % (length // 2 + 1)
        tokens[torch.arange(length) >= full[:, None]] = pad
    return tokens


def places_of(lens: Lens, layers: Iterable[int]) -> list[Place]:
    """The places of a model in `layers` and outside the layers, in the order they are computed."""
    found = [site() for site in SITES if not site.layered and site is not LN_FINAL]
    found += [site(layer) for layer in sorted(set(layers)) for site in ORDER]
    found.append(LN_FINAL())
    return [place for place in found if _has(lens, place)]


def _has(lens: Lens, place: Place) -> bool:
    try:
        lens.check(place)
    except BadInput:
        return False
    return True


def _size(value: Tensor) -> float:
    """The root mean square."""
    return float(value.double().square().mean().sqrt())


def _apart(value: Tensor, true: Tensor) -> float:
    """The root mean square of the difference, relative to the true value."""
    if value.shape != true.shape:
        return torch.inf
    difference = _size(value - true)
    return difference / _size(true) if difference else 0.0
