"""The toy model: a small GPT-2-style transformer with MLPs, as gelu-2l, one token per word."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from replications import lens as lenses
from replications.errors import BadInput
from replications.models import state_dicts
from replications.models.shape import Shape
from replications.systems.name_recall.data import CONTEXT, tokenizer
from replications.training import transformer

LAYERS = 2
NAME = "a name-recall toy"
"""What errors call this model."""


def shape(layers: int = LAYERS) -> Shape:
    """The architecture. Raises BadInput for less than one layer."""
    if layers < 1:
        raise BadInput(f"a model needs at least one layer, not {layers}")
    words = len(tokenizer())
    return Shape(
        n_layers=layers,
        n_heads=8,
        d_model=64,
        d_head=16,
        d_mlp=256,
        n_ctx=CONTEXT,
        d_vocab=words,
        d_vocab_out=words,
        act_fn="gelu",
    )


def untrained_state_dict(seed: int = 0, layers: int = LAYERS) -> dict[str, Tensor]:
    """The weights that training starts from, which also serve as a control."""
    return transformer.untrained_state_dict(shape(layers), seed)


def read_state_dict(content: bytes, name: str, layers: int = LAYERS) -> dict[str, Tensor]:
    """Weights from the bytes of a `.safetensors` file. BadInput if they are another model's."""
    return state_dicts.read_state_dict(content, name, shape(layers), model=NAME)


def open_model(
    state_dict: Mapping[str, Tensor],
    layers: int = LAYERS,
    *,
    device: str = "cpu",
    dtype: str = "float32",
) -> lenses.Lens:
    """A lens on the model with these weights. Raises BadInput if they do not fit."""
    checked = state_dicts.check_state_dict(state_dict, shape(layers), model=NAME)
    return lenses.open_lens(shape(layers), checked, device=device, dtype=dtype)
