"""The list-update model: its architecture, and how weights become a model that can be measured.

Attention only, one head per layer as wide as the model, no LayerNorm, every bias frozen at zero.
Positions are added to the inputs of queries and keys and never enter the residual stream.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from replications import lens as lenses
from replications.errors import BadInput
from replications.models.shape import Shape
from replications.systems.list_update.data import DOCUMENT, Task

D_MODEL = 128
LAYERS = 2

_BUFFERS = ("attn.mask", "attn.IGNORE")


def shape(layers: int = LAYERS, task: Task = DOCUMENT) -> Shape:
    """The architecture. Raises BadInput for less than one layer."""
    if layers < 1:
        raise BadInput(f"a model needs at least one layer, not {layers}")
    return Shape(
        n_layers=layers,
        n_heads=1,
        d_model=D_MODEL,
        d_head=D_MODEL,
        d_mlp=0,
        n_ctx=task.context,
        d_vocab=task.vocabulary,
        d_vocab_out=task.numbers,
        attn_only=True,
        normalization=None,
        positions="shortformer",
    )


def parameter_shapes(layers: int = LAYERS, task: Task = DOCUMENT) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter, in TransformerLens's classic layout."""
    s = shape(layers, task)
    d, h, k = s.d_model, s.n_heads, s.d_head
    block: dict[str, tuple[int, ...]] = {f"attn.W_{name}": (h, d, k) for name in "QKV"}
    block |= {"attn.W_O": (h, k, d)} | {f"attn.b_{name}": (h, k) for name in "QKV"}
    block |= {"attn.b_O": (d,)}
    shapes: dict[str, tuple[int, ...]] = {
        "embed.W_E": (s.d_vocab, d),
        "pos_embed.W_pos": (s.n_ctx, d),
    }
    for layer in range(layers):
        shapes |= {f"blocks.{layer}.{name}": size for name, size in block.items()}
    return shapes | {"unembed.W_U": (d, s.d_vocab_out), "unembed.b_U": (s.d_vocab_out,)}


def is_bias(name: str) -> bool:
    """Whether this parameter is one of the biases, which stay at zero."""
    return name.split(".")[-1].startswith("b_")


def check_state_dict(
    state_dict: Mapping[str, Tensor], layers: int = LAYERS, task: Task = DOCUMENT
) -> dict[str, Tensor]:
    """The parameters alone, checked against the architecture; attention-mask buffers are dropped.

    Raises BadInput naming the first missing, unexpected, mis-shaped or non-finite tensor, or the
    first bias that is not zero.
    """
    shapes = parameter_shapes(layers, task)
    given = {k: v for k, v in state_dict.items() if not k.endswith(_BUFFERS)}
    problems = [f"{name} is missing" for name in shapes if name not in given]
    problems += [f"{name} is not a parameter of this model" for name in given if name not in shapes]
    if not problems:
        problems += [
            f"{name} has shape {tuple(given[name].shape)}, not {size}"
            for name, size in shapes.items()
            if tuple(given[name].shape) != size
        ]
        problems += [f"{n} is not finite" for n in shapes if not given[n].isfinite().all()]
        problems += [f"{n} is not zero" for n in shapes if is_bias(n) and given[n].any()]
    if problems:
        more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
        raise BadInput(
            f"these are not the weights of a list-update model: {problems[0]}{more}; expected "
            f"TransformerLens's classic names for {layers} layers, 1 head, d_model {D_MODEL}, "
            f"lists of {task.length} of {task.numbers} numbers"
        )
    return {name: given[name] for name in shapes}


def read_state_dict(
    content: bytes, name: str, layers: int = LAYERS, task: Task = DOCUMENT
) -> dict[str, Tensor]:
    """Weights from the bytes of a `.safetensors` file, called `name` in errors.

    Raises BadInput when the bytes are not such a file or hold another model.
    """
    try:
        loaded = load_safetensors(content)
    except (SafetensorError, ValueError) as error:
        raise BadInput(f"{name} cannot be read as weights: {error}") from error
    return check_state_dict(loaded, layers, task)


def untrained_state_dict(
    seed: int = 0, layers: int = LAYERS, task: Task = DOCUMENT
) -> dict[str, Tensor]:
    """The weights that training starts from: what a finding must not hold on.

    Every matrix is normal with standard deviation 0.8 / sqrt(d_model), the default of
    TransformerLens's HookedTransformer, embeddings included; biases are zero.
    """
    if seed < 0:
        raise BadInput(f"seed must be at least 0, not {seed}")
    generator = torch.Generator().manual_seed(seed)
    scale = 0.8 / math.sqrt(D_MODEL)
    return {
        name: torch.zeros(size) if is_bias(name) else torch.randn(size, generator=generator) * scale
        for name, size in parameter_shapes(layers, task).items()
    }


def open_model(
    state_dict: Mapping[str, Tensor],
    layers: int = LAYERS,
    task: Task = DOCUMENT,
    *,
    device: str = "cpu",
    dtype: str = "float32",
) -> lenses.Lens:
    """A lens on the model with these weights. Raises BadInput if they do not fit."""
    checked = check_state_dict(state_dict, layers, task)
    return lenses.open_lens(
        shape(layers, task), checked, device=device, dtype=getattr(torch, dtype)
    )


def attention(state_dict: Mapping[str, Tensor], layer: int) -> dict[str, Tensor]:
    """The four matrices of a layer's one head, W_Q W_K W_V W_O, each [d_model d_model]."""
    return {f"W_{name}": state_dict[f"blocks.{layer}.attn.W_{name}"][0] for name in "QKVO"}
