"""Weights from outside: read from the bytes of a file, and checked against an architecture."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

import safetensors.torch
import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models import parameters
from replications.models.shape import Shape


def check_state_dict(
    state_dict: Mapping[str, Tensor],
    shape: Shape,
    *,
    model: str = "this model",
    zero_biases: bool = False,
) -> dict[str, Tensor]:
    """The parameters of a model, in the order of `parameters.classic`; mask buffers are dropped.

    `model` is what errors call it. Raises BadInput naming the first problem: a tensor that is
    missing, unexpected, of another shape, no tensor or not finite, or with `zero_biases` a bias
    other than zero.
    """
    if not isinstance(state_dict, Mapping):
        raise BadInput(f"expected weights by name, got a {type(state_dict).__name__}")
    sizes = parameters.classic(shape)
    given = parameters.without_buffers(state_dict)
    problems = list(_wrong_names(given, sizes)) or list(_wrong_values(given, sizes, zero_biases))
    if problems:
        more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
        heads = "1 head" if shape.n_heads == 1 else f"{shape.n_heads} heads"
        raise BadInput(
            f"these are not the weights of {model}: {problems[0]}{more}; expected "
            f"TransformerLens's classic names for {shape.n_layers} layers of {heads}, "
            f"d_model {shape.d_model}"
        )
    return {name: given[name] for name in sizes}


def read_state_dict(
    content: bytes, name: str, shape: Shape, *, model: str = "this model", zero_biases: bool = False
) -> dict[str, Tensor]:
    """Checked weights from the bytes of a file, called `name` in errors.

    A `.pt` file must have been verified by its sha256; it is loaded with `weights_only`. Any other
    is read as safetensors. Raises BadInput when the bytes are not such a file, and as
    `check_state_dict`.
    """
    try:
        if name.endswith(".pt"):
            # The published tensors were saved on a GPU.
            loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        else:
            loaded = safetensors.torch.load(content)
    except Exception as error:
        # Torch raises anything on a damaged file, and may advise loading it without care.
        kind = type(error).__name__
        raise BadInput(f"{name} cannot be read as weights ({kind}); only tensors are") from error
    return check_state_dict(loaded, shape, model=model, zero_biases=zero_biases)


def _wrong_names(
    given: Mapping[str, Tensor], sizes: Mapping[str, parameters.Size]
) -> Iterator[str]:
    yield from (f"{name} is missing" for name in sizes if name not in given)
    yield from (f"{name} is not a parameter of this model" for name in given if name not in sizes)
    yield from (f"{name} is not a tensor" for name in given if not torch.is_tensor(given[name]))


def _wrong_values(
    given: Mapping[str, Tensor], sizes: Mapping[str, parameters.Size], zero_biases: bool
) -> Iterator[str]:
    for name, size in sizes.items():
        if tuple(given[name].shape) != size:
            yield f"{name} has shape {tuple(given[name].shape)}, not {size}"
    yield from (f"{name} is not finite" for name in sizes if not given[name].isfinite().all())
    if zero_biases:
        biases = filter(parameters.is_bias, sizes)
        yield from (f"{name} is not zero" for name in biases if given[name].any())
