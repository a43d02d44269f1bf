"""The parameters of every checkpoint format: their names, sizes and axes.

`classic` is TransformerLens's layout, the one this suite keeps weights in: `blocks.0.attn.W_Q`
[head d_model d_head] and so on, with matrices that act on row vectors. The readers in `families`
bring the weights of `transformers` into it, with TransformerLens's names for what newer models
have (`attn.q_norm.w`, `ln1_post.w`, `mlp.W_gate`), and `bridge_state_dict` takes them out of it, to
the names of a `TransformerBridge`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from replications.errors import BadInput
from replications.models.shape import Shape

Size = tuple[int, ...]
"""The shape of a tensor."""

BUFFERS = (".attn.mask", ".attn.IGNORE")
"""How the names end of what early versions of TransformerLens saved beside the parameters."""


# ------------------------------------------------------------------------- the classic layout
def classic(shape: Shape, *, folded: bool = False) -> dict[str, Size]:
    """Name and size of every parameter in TransformerLens's classic layout, in reading order.

    Models without MLPs or LayerNorms lack theirs. `folded` leaves out w and b of the LayerNorms
    before matrices, which are then part of these.
    """
    before, block, after = _parts(shape)
    layered = {
        in_layer(i, name): size for i in range(shape.n_layers) for name, size in block.items()
    }
    absent = (".mlp.", ".ln2.") if shape.attn_only else ()
    if folded or shape.normalization is None:
        absent = (*absent, ".ln1.", ".ln2.", ".ln_final.")
    every = before | layered | after
    if shape.positions in ("rotary", "none"):
        del every["pos_embed.W_pos"]
    return {name: size for name, size in every.items() if not any(a in f".{name}" for a in absent)}


def in_layer(layer: int | str, name: str) -> str:
    """The classic name of a parameter of one layer, from its name there: `attn.W_Q`."""
    return f"blocks.{layer}.{name}"


def is_matrix(name: str) -> bool:
    """Whether this classic name is that of a matrix: a weight that is no LayerNorm's w."""
    return name.rpartition(".")[2].startswith("W_")


def is_bias(name: str) -> bool:
    """Whether this classic name is that of a bias; a LayerNorm's b is none."""
    return name.rpartition(".")[2].startswith("b_")


def network_fields(shape: Shape) -> dict[str, tuple[str, Size]]:
    """Field of a `Network` -> its classic name, with {layer}, and its size in one layer.

    Every field is listed, also the MLPs and LayerNorms of a model that has none.
    """
    before, block, after = _parts(shape)
    layered = {in_layer("{layer}", name): size for name, size in block.items()}
    return {_field(name): (name, size) for name, size in (before | layered | after).items()}


def _field(name: str) -> str:
    module, parameter = name.split(".")[-2:]
    return f"{module}_{parameter}" if parameter in ("w", "b") else parameter


def _parts(shape: Shape) -> tuple[dict[str, Size], dict[str, Size], dict[str, Size]]:
    """The parameters before the layers, of one layer, and after them, by name."""
    d, heads, d_head, d_mlp = shape.d_model, shape.n_heads, shape.d_head, shape.d_mlp
    added = shape.positions in ("standard", "shortformer")
    before: dict[str, Size] = {
        "embed.W_E": (shape.d_vocab, d),
        "pos_embed.W_pos": (shape.n_ctx if added else 0, d),
    }
    block = _norm(shape, "ln1", d)
    for name in "QKV":
        block[f"attn.W_{name}"] = (heads if name == "Q" else shape.key_value_heads, d, d_head)
    block |= {"attn.W_O": (heads, d_head, d)}
    for name in "QKV":
        block[f"attn.b_{name}"] = (heads if name == "Q" else shape.key_value_heads, d_head)
    block |= {"attn.b_O": (d,)}
    if shape.qk_norm:
        block |= _norm(shape, "attn.q_norm", d_head) | _norm(shape, "attn.k_norm", d_head)
    block |= _norm(shape, "ln2", d)
    if shape.post_norms:
        block |= _norm(shape, "ln1_post", d)
        block |= {} if shape.attn_only else _norm(shape, "ln2_post", d)
    if shape.gated:
        block |= {"mlp.W_gate": (d, d_mlp), "mlp.b_gate": (d_mlp,)}
    block |= {"mlp.W_in": (d, d_mlp), "mlp.b_in": (d_mlp,)}
    block |= {"mlp.W_out": (d_mlp, d), "mlp.b_out": (d,)}
    after = _norm(shape, "ln_final", d)
    after |= {"unembed.W_U": (d, shape.d_vocab_out), "unembed.b_U": (shape.d_vocab_out,)}
    return before, block, after


def _norm(shape: Shape, name: str, size: int) -> dict[str, Size]:
    """An RMS norm has no b."""
    both: dict[str, Size] = {f"{name}.w": (size,), f"{name}.b": (size,)}
    return {f"{name}.w": (size,)} if shape.normalization == "RMS" else both


def has_layernorms(names: Iterable[str]) -> bool:
    """Whether classic names include a LayerNorm's w or b; without them it was folded."""
    return any(".ln" in f".{name}" for name in names)


def without_buffers(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters alone, without the attention masks that some versions saved with them."""
    return {name: t for name, t in state_dict.items() if not str(name).endswith(BUFFERS)}


def take(state_dict: Mapping[str, Tensor], name: str, size: tuple[int, ...]) -> Tensor:
    """One parameter; an absent bias, or matrix without elements, is zeros.

    Raises BadInput for a missing matrix or a wrong shape.
    """
    if name not in state_dict:
        if is_bias(name) or 0 in size:
            return torch.zeros(size, device=next(iter(state_dict.values())).device)
        raise BadInput(f"the state dict lacks {name}, of shape {size}")
    if state_dict[name].shape != size:
        raise BadInput(f"{name} has shape {tuple(state_dict[name].shape)}; expected {size}")
    return state_dict[name]


# ----------------------------------------------------------------------------- a bridge's layout
_BRIDGE = {
    "W_Q": "q.weight", "W_K": "k.weight", "W_V": "v.weight", "W_O": "o.weight",
    "b_Q": "q.bias", "b_K": "k.bias", "b_V": "v.bias", "b_O": "o.bias",
    "W_in": "in.weight", "b_in": "in.bias", "W_out": "out.weight", "b_out": "out.bias",
    "W_E": "weight", "W_pos": "weight", "W_U": "weight", "b_U": "bias", "w": "weight", "b": "bias",
}  # fmt: skip
"""Last part of a classic name -> last part or parts of the bridge's."""


def bridge_state_dict(shape: Shape, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Classic weights under the names and axes that `TransformerBridge.boot_native` loads.

    TransformerLens 4.3 has a converter of its own, `convert_tl_checkpoint`; 3.9 has none. Raises
    BadInput for a name outside the classic layout and for heads of another size than the shape's.
    """
    sizes, found = classic(shape), {}
    for name, value in state_dict.items():
        module, _, parameter = name.rpartition(".")
        if name not in sizes or parameter not in _BRIDGE:
            raise BadInput(f"{name!r} is no parameter of TransformerLens's classic layout")
        # Without this check, heads of the wrong size would be regrouped and nothing would say so.
        if tuple(value.shape) != sizes[name]:
            raise BadInput(f"{name!r} has shape {tuple(value.shape)}, not {sizes[name]}")
        found[f"{module}.{_BRIDGE[parameter]}"] = _as_linear(parameter, value)
    return found


def _as_linear(parameter: str, value: Tensor) -> Tensor:
    """Heads side by side, and matrices as torch.nn.Linear keeps them: [out in]."""
    if parameter in ("W_Q", "W_K", "W_V"):
        return value.permute(0, 2, 1).flatten(0, 1)
    if parameter == "W_O":
        return value.flatten(0, 1).T
    if parameter in ("b_Q", "b_K", "b_V"):
        return value.flatten()
    return value.T if parameter in ("W_in", "W_out", "W_U") else value
