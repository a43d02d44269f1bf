"""The toy architecture, and random weights of any architecture to compare with."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from replications.lens import Lens, open_lens
from replications.models import state_dicts
from replications.models.shape import Shape
from replications.models.untrained import by_width_and_depth, untrained
from replications.systems.ioi.data import CONTEXT, toy_tokenizer

RANDOM_SEED = 0
NAME = "a toy of the indirect-object task"
"""What errors call this model."""


def shape(layers: int, heads: int, d_model: int, d_mlp: int, *, context: int = CONTEXT) -> Shape:
    """A GPT-2-style model of this size on the toy vocabulary; without MLPs if `d_mlp` is 0.

    It reads up to `context` tokens.
    """
    vocabulary = len(toy_tokenizer())
    return Shape(
        n_layers=layers,
        n_heads=heads,
        d_model=d_model,
        d_head=d_model // heads,
        d_mlp=d_mlp,
        n_ctx=context,
        d_vocab=vocabulary,
        d_vocab_out=vocabulary,
        act_fn="gelu_new",
        attn_only=d_mlp == 0,
    )


def read_state_dict(content: bytes, name: str, shape: Shape) -> dict[str, Tensor]:
    """Weights from the bytes of a `.safetensors` file. BadInput if they are another model's."""
    return state_dicts.read_state_dict(content, name, shape, model=NAME)


def open_model(
    state_dict: Mapping[str, Tensor], shape: Shape, *, device: str = "cpu", dtype: str = "float32"
) -> Lens:
    """A lens on the model with these weights. Raises BadInput if they do not fit."""
    checked = state_dicts.check_state_dict(state_dict, shape, model=NAME)
    return open_lens(shape, checked, device=device, dtype=dtype)


def untrained_like(lens: Lens) -> dict[str, Tensor]:
    """Random weights with the names, shapes and dtypes of a lens's own.

    Matrices are normal with standard deviation 0.8 / sqrt(d_model), those that write into the
    residual stream smaller by sqrt(2 · layers); LayerNorms are the identity, biases zero.
    """
    # Drawn in the lens's own order, which for a published model is not that of the classic layout.
    sizes = {name: tuple(weight.shape) for name, weight in lens.state_dict.items()}
    drawn = untrained(sizes, by_width_and_depth(lens.shape), RANDOM_SEED)
    return {name: weight.to(lens.state_dict[name]) for name, weight in drawn.items()}
