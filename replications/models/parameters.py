"""Names of parameters: TransformerLens's classic layout, and GPT-2 in transformers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from replications.errors import BadInput, Unsupported
from replications.models.shape import Shape

ACTIVATION_NAMES = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
}
"""What transformers calls an activation function -> what TransformerLens calls it."""


def parameters(shape: Shape) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Field of a Network -> its classic name, with {layer}, and its size in one layer."""
    d, heads, d_head, d_mlp = shape.d_model, shape.n_heads, shape.d_head, shape.d_mlp
    block: dict[str, tuple[int, ...]] = {f"attn.W_{n}": (heads, d, d_head) for n in "QKV"}
    block |= {f"attn.b_{n}": (heads, d_head) for n in "QKV"}
    block |= {"attn.W_O": (heads, d_head, d), "attn.b_O": (d,)}
    block |= {"mlp.W_in": (d, d_mlp), "mlp.b_in": (d_mlp,)}
    block |= {"mlp.W_out": (d_mlp, d), "mlp.b_out": (d,)}
    block |= {f"{ln}.{parameter}": (d,) for ln in ("ln1", "ln2") for parameter in "wb"}
    found: dict[str, tuple[str, tuple[int, ...]]] = {
        "W_E": ("embed.W_E", (shape.d_vocab, d)),
        "W_pos": ("pos_embed.W_pos", (shape.n_ctx, d)),
        "W_U": ("unembed.W_U", (d, shape.d_vocab_out)),
        "b_U": ("unembed.b_U", (shape.d_vocab_out,)),
        "ln_final_w": ("ln_final.w", (d,)),
        "ln_final_b": ("ln_final.b", (d,)),
    }
    for name, size in block.items():
        part, parameter = name.split(".")
        field = f"{part}_{parameter}" if part.startswith("ln") else parameter
        found[field] = (f"blocks.{{layer}}.{name}", size)
    return found


def take(state_dict: Mapping[str, Tensor], name: str, size: tuple[int, ...]) -> Tensor:
    """One parameter; an absent bias, or matrix without elements, is zeros.

    Raises BadInput for a missing matrix or a wrong shape.
    """
    if name not in state_dict:
        if name.rpartition(".")[2].startswith("b_") or 0 in size:
            return torch.zeros(size, device=next(iter(state_dict.values())).device)
        raise BadInput(f"the state dict lacks {name}, of shape {size}")
    if state_dict[name].shape != size:
        raise BadInput(f"{name} has shape {tuple(state_dict[name].shape)}; expected {size}")
    return state_dict[name]


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
