"""The bracket classifier: its architecture, and how weights become a model that can be measured."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping

import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor

from replications import lens as lenses
from replications.errors import BadInput
from replications.models.shape import Shape
from replications.systems.brackets.data import CONTEXT, PAD

SHAPE = Shape(
    n_layers=3,
    n_heads=2,
    d_model=56,
    d_head=28,
    d_mlp=56,
    n_ctx=CONTEXT,
    d_vocab=5,
    d_vocab_out=2,
    act_fn="relu",
    attention="bidirectional",
    pad_token=PAD,
)
UNBALANCED, BALANCED = 0, 1
"""The two output classes, in the order of the logits."""

_BUFFERS = ("attn.mask", "attn.IGNORE")


def parameter_shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter, in TransformerLens's classic layout."""
    d, h, k, m = SHAPE.d_model, SHAPE.n_heads, SHAPE.d_head, SHAPE.d_mlp
    block: dict[str, tuple[int, ...]] = {}
    for ln in ("ln1", "ln2"):
        block |= {f"{ln}.w": (d,), f"{ln}.b": (d,)}
    for name in "QKV":
        block |= {f"attn.W_{name}": (h, d, k), f"attn.b_{name}": (h, k)}
    block |= {"attn.W_O": (h, k, d), "attn.b_O": (d,)}
    block |= {"mlp.W_in": (d, m), "mlp.b_in": (m,), "mlp.W_out": (m, d), "mlp.b_out": (d,)}
    shapes: dict[str, tuple[int, ...]] = {
        "embed.W_E": (SHAPE.d_vocab, d),
        "pos_embed.W_pos": (SHAPE.n_ctx, d),
    }
    for layer in range(SHAPE.n_layers):
        shapes |= {f"blocks.{layer}.{name}": shape for name, shape in block.items()}
    shapes |= {"ln_final.w": (d,), "ln_final.b": (d,)}
    return shapes | {"unembed.W_U": (d, SHAPE.d_vocab_out), "unembed.b_U": (SHAPE.d_vocab_out,)}


def check_state_dict(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters alone, checked against the architecture; attention-mask buffers are dropped.

    Raises BadInput naming the first missing, unexpected, mis-shaped or non-finite tensor.
    """
    if not isinstance(state_dict, Mapping):
        raise BadInput(f"expected weights by name, got a {type(state_dict).__name__}")
    shapes = parameter_shapes()
    given = {k: v for k, v in state_dict.items() if not str(k).endswith(_BUFFERS)}
    problems = [f"{name} is missing" for name in shapes if name not in given]
    problems += [f"{name} is not a parameter of this model" for name in given if name not in shapes]
    problems += [f"{name} is not a tensor" for name in given if not torch.is_tensor(given[name])]
    if not problems:
        problems += [
            f"{name} has shape {tuple(given[name].shape)}, not {shape}"
            for name, shape in shapes.items()
            if tuple(given[name].shape) != shape
        ]
        problems += [f"{n} is not finite" for n in shapes if not given[n].isfinite().all()]
    if problems:
        more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
        raise BadInput(
            f"these are not the weights of the bracket classifier: {problems[0]}{more}; "
            "expected TransformerLens's classic names for 3 layers, 2 heads, d_model 56"
        )
    return {name: given[name] for name in shapes}


def read_state_dict(content: bytes, name: str) -> dict[str, Tensor]:
    """Weights from the bytes of a `.pt` or `.safetensors` file whose sha256 was verified.

    Raises BadInput when the bytes are not such a file or hold another model.
    """
    try:
        if name.endswith(".safetensors"):
            loaded = load_safetensors(content)
        else:
            # The published tensors were saved on a GPU.
            loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:
        # Torch raises anything on a damaged file, and may advise to load it without care.
        kind = type(error).__name__
        raise BadInput(f"{name} cannot be read as weights ({kind}); only tensors are") from error
    return check_state_dict(loaded)


def sinusoid(positions: int = CONTEXT, width: int = SHAPE.d_model) -> Tensor:
    """The fixed positional table [pos d_model]: sines in even columns, cosines in odd ones."""
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(1e4) / width))
    angle = torch.arange(positions, dtype=torch.float64)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1).float()


def untrained_state_dict(seed: int = 0) -> dict[str, Tensor]:
    """The same architecture with random weights: what a finding must not hold on.

    Matrices are normal with variance 1/fan-in, embeddings and positions standard normal,
    LayerNorms the identity, biases zero.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in parameter_shapes().items():
        if name.endswith(".w"):
            weights[name] = torch.ones(shape)
        elif len(shape) == 1 or ".b_" in name:
            weights[name] = torch.zeros(shape)
        else:
            scale = 1.0 if "embed.W" in name and "un" not in name else shape[-2] ** -0.5
            weights[name] = torch.randn(shape, generator=generator) * scale
    return weights


def open_model(
    state_dict: Mapping[str, Tensor], *, device: str = "cpu", dtype: str = "float32"
) -> lenses.Lens:
    """A lens on the classifier with these weights.

    Raises BadInput if they do not fit, or if `dtype` is not the name of a floating-point type.
    """
    real = getattr(torch, dtype, None)
    if not (isinstance(real, torch.dtype) and real.is_floating_point):
        raise BadInput(f"unknown dtype {dtype!r}: give float32 or float64")
    return lenses.open_lens(SHAPE, check_state_dict(state_dict), device=device, dtype=real)
