"""Opening a lens, on weights of your own or on a published model."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from replications import fixtures
from replications.errors import BadInput, Unsupported
from replications.fixtures import PRETRAINED
from replications.lens import lines
from replications.lens.base import Lens
from replications.models.shape import Shape


def open_lens(
    shape: Shape,
    state_dict: Mapping[str, Tensor],
    *,
    device: str = "cpu",
    dtype: str | torch.dtype = torch.float32,
) -> Lens:
    """A lens on a model with these weights (TransformerLens's classic names and axes).

    In a state dict without LayerNorm parameters, LayerNorm is folded into the matrices. `dtype` is
    a floating-point type of torch or its name. Raises BadInput for another type, and Unsupported
    for an architecture that this layout lacks, and as `lines.installed`, which decides what kind of
    model is opened.
    """
    dtype = _real(dtype)
    if not shape.classic:
        raise Unsupported(
            "TransformerLens's classic layout lacks a part of this architecture (rotary positions, "
            "RMS norms, shared keys …); use the Network itself, without a lens"
        )
    # Imported late: TransformerLens takes seconds to import, and no version has all of it.
    if lines.installed().kind == "hooked":
        from replications.lens.hooked import open_hooked

        return open_hooked(shape, state_dict, device, dtype)
    from replications.lens.bridge import BridgeLens

    return BridgeLens(shape, state_dict, device, dtype)


def open_pretrained(
    name: str, *, device: str = "cpu", dtype: str | torch.dtype = torch.float32
) -> Lens:
    """A lens on a published model, from verified files; `state_dict` has the processed weights.

    LayerNorm and value biases are folded, matrices that write to the residual stream and the
    unembedding are centred, so logits differ from the published model's by one number for each
    position. Raises BadInput for an unknown name, FixtureMissing or FixtureCorrupt for its files,
    and BadInput or Unsupported as `open_lens`.
    """
    dtype = _real(dtype)
    if name not in PRETRAINED:
        raise BadInput(f"unknown model {name!r}; there are: {', '.join(PRETRAINED)}")
    lines.installed()
    *config, weights = [fixtures.read_bytes(file) for file in PRETRAINED[name]]
    from replications.lens import pretrained  # imported late, as above

    if config:
        return pretrained.open_gpt2(config[0], weights, device=device, dtype=dtype)
    return pretrained.open_classic(weights, "gelu", device=device, dtype=dtype)


def _real(dtype: str | torch.dtype) -> torch.dtype:
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not (isinstance(found, torch.dtype) and found.is_floating_point):
        raise BadInput(f"unknown dtype {dtype!r}: give float32 or float64")
    return found
