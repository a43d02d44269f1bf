"""The only door to TransformerLens: one interface, a backend for each family of versions."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata

import torch
from torch import Tensor

from replications.errors import Unsupported
from replications.lens.base import Edit, Lens, Read, Run, Shape, Weights, apply, put, put_rows

__all__ = [
    "Edit", "Lens", "Read", "Run", "Shape", "Weights", "apply", "open_lens", "put", "put_rows",
]  # fmt: skip

SUPPORTED = ("4.3",)


def open_lens(
    shape: Shape,
    state_dict: Mapping[str, Tensor],
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Lens:
    """A lens on a model with these weights (TransformerLens's classic names and axes).

    Raises Unsupported, naming the supported versions, when another one is installed.
    """
    version = metadata.version("transformer-lens")
    if ".".join(version.split(".")[:2]) not in SUPPORTED:
        raise Unsupported(
            f"TransformerLens {version} is not supported; supported: "
            f"{', '.join(f'{line}.x' for line in SUPPORTED)} "
            "(pip install 'transformer_lens>=4.3,<4.4')"
        )
    # Imported late: TransformerLens takes seconds to import, and its 1.x-3.x lack the bridge.
    from replications.lens.bridge import BridgeLens

    return BridgeLens(shape, state_dict, device, dtype)
