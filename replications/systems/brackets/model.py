"""The bracket classifier: its architecture, and how weights become a model that can be measured."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from replications import lens as lenses
from replications.models import parameters, state_dicts, untrained
from replications.models.positions import sinusoids
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

NAME = "the bracket classifier"
"""What errors call this model."""


def check_state_dict(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters alone, checked against the architecture; attention-mask buffers are dropped.

    Raises BadInput naming the first tensor that does not fit.
    """
    return state_dicts.check_state_dict(state_dict, SHAPE, model=NAME)


def read_state_dict(content: bytes, name: str) -> dict[str, Tensor]:
    """Weights from the bytes of a `.pt` or `.safetensors` file whose sha256 was verified.

    Raises BadInput when the bytes are not such a file or hold another model.
    """
    return state_dicts.read_state_dict(content, name, SHAPE, model=NAME)


def sinusoid(positions: int = CONTEXT, width: int = SHAPE.d_model) -> Tensor:
    """The fixed positional table [pos d_model], computed in float64."""
    return sinusoids(positions, width)


def untrained_state_dict(seed: int = 0) -> dict[str, Tensor]:
    """Random weights of this architecture, on which a finding must not hold.

    Matrices are normal with variance 1/fan-in, embeddings and positions standard normal,
    LayerNorms the identity, biases zero. Raises BadInput for a negative seed.
    """
    return untrained.untrained(parameters.classic(SHAPE), untrained.by_fan_in, seed)


def open_model(
    state_dict: Mapping[str, Tensor], *, device: str = "cpu", dtype: str = "float32"
) -> lenses.Lens:
    """A lens on the classifier with these weights.

    Raises BadInput if they do not fit, and as `open_lens`.
    """
    return lenses.open_lens(SHAPE, check_state_dict(state_dict), device=device, dtype=dtype)
