"""From TransformerLens's classic parameter names and axes to those of its bridge.

4.3 has a converter of its own, `convert_tl_checkpoint`; 3.9 has none.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from replications.errors import BadInput
from replications.models.shape import Shape

_LINEAR = {
    "W_Q": "q.weight", "W_K": "k.weight", "W_V": "v.weight", "W_O": "o.weight",
    "b_Q": "q.bias", "b_K": "k.bias", "b_V": "v.bias", "b_O": "o.bias",
    "W_in": "in.weight", "b_in": "in.bias", "W_out": "out.weight", "b_out": "out.bias",
    "W_E": "weight", "W_pos": "weight", "W_U": "weight", "b_U": "bias", "w": "weight", "b": "bias",
}  # fmt: skip


def to_bridge(shape: Shape, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict that `TransformerBridge.boot_native` loads.  Raises BadInput for others."""
    found = {}
    for name, value in state_dict.items():
        module, _, parameter = name.rpartition(".")
        if parameter not in _LINEAR:
            raise BadInput(f"{name!r} is no parameter of TransformerLens's classic layout")
        found[f"{module}.{_LINEAR[parameter]}"] = _axes(shape, name, parameter, value)
    return found


def _axes(shape: Shape, name: str, parameter: str, value: Tensor) -> Tensor:
    """Heads side by side, and matrices as torch.nn.Linear keeps them: [out in]."""
    heads, wide, d_head = shape.n_heads, shape.d_model, shape.d_head
    expected = {
        **dict.fromkeys(("W_Q", "W_K", "W_V"), (heads, wide, d_head)),
        **dict.fromkeys(("b_Q", "b_K", "b_V"), (heads, d_head)),
        "W_O": (heads, d_head, wide),
    }.get(parameter)
    # Without this check heads of the wrong size would be grouped anew without a word.
    if expected is not None and tuple(value.shape) != expected:
        raise BadInput(f"{name!r} has the shape {tuple(value.shape)}, not {expected}")
    if parameter in ("W_Q", "W_K", "W_V"):
        return value.permute(0, 2, 1).flatten(0, 1)
    if parameter == "W_O":
        return value.flatten(0, 1).T
    if parameter in ("b_Q", "b_K", "b_V"):
        return value.flatten()
    return value.T if parameter in ("W_in", "W_out", "W_U") else value
