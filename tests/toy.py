"""Two tiny models with random weights, through the lens and through the oracle."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor

from replications.lens import Lens, open_lens
from replications.models import parameters
from replications.models.shape import Shape
from replications.models.sites import SITES, Place
from tests import oracle

# No two sizes are equal, and the heads together are wider than the model.
PADDED = Shape(
    n_layers=2, n_heads=3, d_model=12, d_head=5, d_mlp=10, n_ctx=9, d_vocab=7, d_vocab_out=4,
    act_fn="relu", attention="bidirectional", pad_token=1,
)  # fmt: skip
CAUSAL = Shape(
    n_layers=2, n_heads=3, d_model=12, d_head=5, d_mlp=10, n_ctx=9, d_vocab=7, d_vocab_out=4,
    act_fn="gelu_new", attention="causal", pad_token=None,
)  # fmt: skip
SHAPES = {"padded": PADDED, "causal": CAUSAL}
TOKENS = torch.tensor(
    [
        [0, 3, 4, 2, 1, 1],
        [0, 5, 6, 3, 4, 2],
        [0, 2, 1, 1, 1, 1],
        [0, 4, 4, 4, 2, 1],
        [0, 6, 3, 2, 1, 1],
    ]
)
PLACES = [site(i) for site in SITES if site.layered for i in range(2)]
PLACES += [site() for site in SITES if not site.layered]
EXACT = 1e-10  # float64 against float64


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@cache
def weights(seed: int = 0) -> Mapping[str, Tensor]:
    """Random weights for either shape: LayerNorms far from the identity, no bias zero."""
    found = {}
    for i, (name, size) in enumerate(parameters.classic(PADDED).items()):
        value = 0.4 * random(*size, seed=100 * (seed + 1) + i)
        found[name] = 1 + value if name.endswith(".w") else value
    return found


@cache
def opened(model: str, dtype: torch.dtype = torch.float64) -> Lens:
    return open_lens(SHAPES[model], weights(), dtype=dtype)


def truth(
    model: str, edits: Mapping[oracle.Key, oracle.Change] | None = None, masked: bool = True
) -> dict[oracle.Key, Tensor]:
    shape = SHAPES[model]
    return oracle.forward(
        weights(),
        TOKENS,
        causal=shape.attention == "causal",
        pad=shape.pad_token if masked else None,
        act=shape.act_fn,
        edits=edits,
    )


def logits(model: str, edits: Mapping[oracle.Key, oracle.Change] | None = None) -> Tensor:
    return truth(model, edits)["logits", None]


def key(place: Place) -> oracle.Key:
    return place.site.name, place.layer


def distance(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    return float((a.double() - b.double()).abs().max())


LIVE = [place for place in PLACES if place.site not in opened("padded").soundness().dead]
"""The places that the installed TransformerLens lets us edit."""
