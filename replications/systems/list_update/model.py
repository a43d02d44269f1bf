"""The list-update model: its architecture, and how weights become a model that can be measured.

Attention only, one head per layer as wide as the model, no LayerNorm, every bias frozen at zero.
Positions are added to the inputs of queries and keys and never enter the residual stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from replications import lens as lenses
from replications.errors import BadInput
from replications.models import parameters, state_dicts, untrained
from replications.models.parameters import is_bias as is_bias
from replications.models.shape import Shape
from replications.systems.list_update.data import DOCUMENT, Task

D_MODEL = 128
LAYERS = 2


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


def check_state_dict(
    state_dict: Mapping[str, Tensor], layers: int = LAYERS, task: Task = DOCUMENT
) -> dict[str, Tensor]:
    """The parameters alone, checked against the architecture; attention-mask buffers are dropped.

    Raises BadInput naming the first tensor that does not fit, or the first bias that is not zero.
    """
    return state_dicts.check_state_dict(
        state_dict, shape(layers, task), model=_called(task), zero_biases=True
    )


def read_state_dict(
    content: bytes, name: str, layers: int = LAYERS, task: Task = DOCUMENT
) -> dict[str, Tensor]:
    """Weights from the bytes of a `.safetensors` file, called `name` in errors.

    Raises BadInput when the bytes are not such a file or hold another model.
    """
    return state_dicts.read_state_dict(
        content, name, shape(layers, task), model=_called(task), zero_biases=True
    )


def _called(task: Task) -> str:
    return f"a list-update model for lists of {task.length} of {task.numbers} numbers"


def untrained_state_dict(
    seed: int = 0, layers: int = LAYERS, task: Task = DOCUMENT
) -> dict[str, Tensor]:
    """The weights that training starts from, which also serve as a control.

    Every matrix is normal with standard deviation 0.8 / sqrt(d_model), the default of
    TransformerLens's HookedTransformer, embeddings included; biases are zero. Raises BadInput for
    a negative seed.
    """
    sizes = parameters.classic(shape(layers, task))
    return untrained.untrained(sizes, untrained.by_width(D_MODEL), seed)


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
    return lenses.open_lens(shape(layers, task), checked, device=device, dtype=dtype)


def with_standard_positions(lens: lenses.Lens) -> lenses.Lens:
    """The same weights with positions added to the residual stream, as in most transformers."""
    standard = replace(lens.shape, positions="standard")
    dtype = lens.weights.W_E.dtype
    return lenses.open_lens(standard, lens.state_dict, device=str(lens.device), dtype=dtype)


def attention(state_dict: Mapping[str, Tensor], layer: int) -> dict[str, Tensor]:
    """The four matrices of a layer's one head, W_Q W_K W_V W_O, each [d_model d_model]."""
    names = {f"W_{name}": parameters.in_layer(layer, f"attn.W_{name}") for name in "QKVO"}
    return {short: state_dict[name][0] for short, name in names.items()}
