"""The parameters of every checkpoint format: their names, sizes and axes.

`classic` is TransformerLens's layout, the one this suite keeps weights in: `blocks.0.attn.W_Q`
[head d_model d_head] and so on, with matrices that act on row vectors. `gpt2_state_dict` brings the
weights of a `transformers` GPT-2 into it, and `bridge_state_dict` takes them out of it, to the
names of a `TransformerBridge`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from replications.errors import BadInput, Unsupported
from replications.models.shape import Shape

if TYPE_CHECKING:
    from transformers import GPT2Config

Size = tuple[int, ...]
"""The shape of a tensor."""

BUFFERS = (".attn.mask", ".attn.IGNORE")
"""How the names end of what early versions of TransformerLens saved beside the parameters."""

ACTIVATION_NAMES = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
}
"""What transformers calls an activation function -> what TransformerLens calls it."""


# ------------------------------------------------------------------------- the classic layout
def classic(shape: Shape, *, folded: bool = False) -> dict[str, Size]:
    """Name and size of every parameter in TransformerLens's classic layout, in reading order.

    Models without MLPs or LayerNorms lack theirs. `folded` leaves out the LayerNorms' w and b,
    which are then part of the matrices that read from them.
    """
    before, block, after = _parts(shape)
    layered = {
        in_layer(i, name): size for i in range(shape.n_layers) for name, size in block.items()
    }
    absent = (".mlp.", ".ln2.") if shape.attn_only else ()
    if folded or shape.normalization is None:
        absent = (*absent, ".ln")
    every = before | layered | after
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
    return f"{module}_{parameter}" if module.startswith("ln") else parameter


def _parts(shape: Shape) -> tuple[dict[str, Size], dict[str, Size], dict[str, Size]]:
    """The parameters before the layers, of one layer, and after them, by name."""
    d, heads, d_head, d_mlp = shape.d_model, shape.n_heads, shape.d_head, shape.d_mlp
    before: dict[str, Size] = {
        "embed.W_E": (shape.d_vocab, d),
        "pos_embed.W_pos": (shape.n_ctx, d),
    }
    block: dict[str, Size] = {"ln1.w": (d,), "ln1.b": (d,)}
    block |= {f"attn.W_{name}": (heads, d, d_head) for name in "QKV"}
    block |= {"attn.W_O": (heads, d_head, d)}
    block |= {f"attn.b_{name}": (heads, d_head) for name in "QKV"} | {"attn.b_O": (d,)}
    block |= {"ln2.w": (d,), "ln2.b": (d,)}
    block |= {"mlp.W_in": (d, d_mlp), "mlp.b_in": (d_mlp,)}
    block |= {"mlp.W_out": (d_mlp, d), "mlp.b_out": (d,)}
    after: dict[str, Size] = {"ln_final.w": (d,), "ln_final.b": (d,)}
    after |= {"unembed.W_U": (d, shape.d_vocab_out), "unembed.b_U": (shape.d_vocab_out,)}
    return before, block, after


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


# ---------------------------------------------------------------------- GPT-2 of transformers
def gpt2_config(content: bytes | str, name: str) -> GPT2Config:
    """The configuration in a Hugging Face `config.json`, called `name` in errors.

    Raises BadInput if the content is not JSON or describes another kind of model.
    """
    from transformers import GPT2Config  # takes seconds to import

    try:
        settings = json.loads(content)
    except ValueError as exc:
        raise BadInput(f"cannot read {name} as JSON: {exc}") from exc
    kind = settings.get("model_type") if isinstance(settings, dict) else None
    if kind != "gpt2":
        raise BadInput(f"{name} has model_type {kind!r}; only 'gpt2' is known here")
    return GPT2Config.from_dict(settings)


def gpt2_shape(config: Any) -> Shape:
    """The architecture of a `transformers.GPT2Config`. Unsupported for its rare options."""
    if config.activation_function not in ACTIVATION_NAMES:
        raise Unsupported(f"activation_function {config.activation_function!r} is not known here")
    if config.scale_attn_by_inverse_layer_idx or not config.scale_attn_weights:
        raise Unsupported("this GPT-2 scales attention scores in another way than 1/sqrt(d_head)")
    if config.add_cross_attention:
        raise Unsupported("this GPT-2 has cross-attention, which is not known here")
    return Shape(
        n_layers=config.n_layer,
        n_heads=config.n_head,
        d_model=config.n_embd,
        d_head=config.n_embd // config.n_head,
        d_mlp=config.n_inner or 4 * config.n_embd,
        n_ctx=config.n_positions,
        d_vocab=config.vocab_size,
        d_vocab_out=config.vocab_size,
        act_fn=ACTIVATION_NAMES[config.activation_function],
    )


def gpt2_state_dict(weights: Mapping[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    """Weights of a transformers GPT-2 under the classic names.

    Raises BadInput for a missing parameter. The unembedding is the embedding unless the state
    dict has its own.
    """
    given = {name.removeprefix("transformer."): value for name, value in weights.items()}
    d, heads, d_head = shape.d_model, shape.n_heads, shape.d_head

    def get(name: str) -> Tensor:
        if name not in given:
            raise BadInput(f"these are not the weights of a GPT-2: {name} is missing")
        return given[name]

    found = {
        "embed.W_E": get("wte.weight"),
        "pos_embed.W_pos": get("wpe.weight"),
        "unembed.W_U": given.get("lm_head.weight", get("wte.weight")).T,
        "ln_final.w": get("ln_f.weight"),
        "ln_final.b": get("ln_f.bias"),
    }
    for layer in range(shape.n_layers):
        theirs, ours = f"h.{layer}", f"blocks.{layer}"
        matrices = get(f"{theirs}.attn.c_attn.weight").view(d, 3, heads, d_head).permute(1, 2, 0, 3)
        biases = get(f"{theirs}.attn.c_attn.bias").view(3, heads, d_head)
        for i, name in enumerate("QKV"):
            found[f"{ours}.attn.W_{name}"] = matrices[i]
            found[f"{ours}.attn.b_{name}"] = biases[i]
        W_O = get(f"{theirs}.attn.c_proj.weight").view(heads, d_head, d)
        found |= {
            f"{ours}.attn.W_O": W_O,
            f"{ours}.attn.b_O": get(f"{theirs}.attn.c_proj.bias"),
            f"{ours}.mlp.W_in": get(f"{theirs}.mlp.c_fc.weight"),
            f"{ours}.mlp.b_in": get(f"{theirs}.mlp.c_fc.bias"),
            f"{ours}.mlp.W_out": get(f"{theirs}.mlp.c_proj.weight"),
            f"{ours}.mlp.b_out": get(f"{theirs}.mlp.c_proj.bias"),
        }
        for ln, name in (("ln1", "ln_1"), ("ln2", "ln_2")):
            found[f"{ours}.{ln}.w"] = get(f"{theirs}.{name}.weight")
            found[f"{ours}.{ln}.b"] = get(f"{theirs}.{name}.bias")
    return found


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
