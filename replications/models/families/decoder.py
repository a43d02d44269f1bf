"""What Llama, Mistral, Qwen and Gemma have in common: RMS norms, rotations, gated MLPs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from replications.errors import Unsupported
from replications.models.families.rope import rotary
from replications.models.families.settings import Settings
from replications.models.families.tensors import Tensors, heads, unembedding
from replications.models.parameters import in_layer
from replications.models.shape import Shape

NORMS = {"ln1": "input_layernorm", "ln2": "post_attention_layernorm"}
"""Our name of each norm in a layer -> theirs."""
SANDWICH = {
    "ln1": "input_layernorm",
    "ln1_post": "post_attention_layernorm",
    "ln2": "pre_feedforward_layernorm",
    "ln2_post": "post_feedforward_layernorm",
}
"""The same where what a layer writes is normalised too."""


def shape(
    settings: Settings,
    *,
    act: tuple[str, str],
    n_ctx: int,
    key_value_heads: int | None = None,
    **parts: Any,
) -> Shape:
    """The architecture; `parts` are fields of Shape that differ from a plain Llama.

    `act` is the setting that names the activation function, and its default; `n_ctx` and
    `key_value_heads` are defaults too, the latter as many as heads of queries.
    """
    settings.refuse("use_bidirectional_attention", None, False)
    layers, n_heads = settings.size("num_hidden_layers"), settings.size("num_attention_heads")
    d_model = settings.size("hidden_size")
    d_head = parts.pop("d_head", None) or settings.size("head_dim", d_model // n_heads)
    if "rotary" not in parts:
        parts["rotary"] = (rotary(settings, d_head),) * layers
    vocabulary = settings.size("vocab_size")
    return Shape(
        n_layers=layers, n_heads=n_heads, d_model=d_model, d_head=d_head,
        d_mlp=settings.size("intermediate_size"),
        n_ctx=settings.size("max_position_embeddings", n_ctx),
        d_vocab=vocabulary, d_vocab_out=vocabulary,
        act_fn=settings.activation(*act), gated=True,
        normalization="RMS", positions="rotary",
        n_key_value_heads=settings.size("num_key_value_heads", key_value_heads or n_heads),
        **parts,
    )  # fmt: skip


def windows(settings: Settings, window: Any, types: list[str]) -> tuple[int | None, ...]:
    """The window of each layer, of the kinds of attention that `types` names."""
    named = settings.get("layer_types") or types
    unknown = set(named) - {"full_attention", "sliding_attention"}
    if unknown:
        raise Unsupported(f"layers of type {min(unknown)!r} are not known here")
    sizes = tuple(window if name == "sliding_attention" else None for name in named)
    return sizes if any(size is not None for size in sizes) else ()


@dataclass(frozen=True)
class Layout:
    """How the weights of a family differ from Llama's."""

    norms: dict[str, str]
    """Our name of each norm in a layer -> theirs"""
    tied: bool
    """Whether the head is the embedding where config.json does not say"""
    qkv_bias: bool = False
    o_bias: bool = False
    mlp_bias: bool = False
    one_plus: bool = False
    """Whether norms multiply by 1 + w"""
    scaled: bool = False
    """Whether embeddings are multiplied by sqrt(d_model)"""


def parameters(
    tensors: Tensors, shape: Shape, settings: Settings, layout: Layout
) -> dict[str, Tensor]:
    """The weights under our names. Raises BadInput for what is missing or does not fit."""
    tied = bool(settings.get("tie_word_embeddings", layout.tied))
    embedding = tensors.take("embed_tokens.weight", shape.d_vocab, shape.d_model)
    found = {
        "embed.W_E": embedding,
        "unembed.W_U": unembedding(tensors, embedding, tied=tied),
        "ln_final.w": _norm(tensors, "norm", shape.d_model, layout),
    }
    if layout.scaled:
        # In float32 first, as transformers keeps the factor.
        found["embed.W_E"] = embedding * torch.tensor(shape.d_model**0.5).to(embedding.dtype)
    for layer in range(shape.n_layers):
        parts = _layer(tensors, f"layers.{layer}", shape, layout)
        found |= {in_layer(layer, name): value for name, value in parts.items()}
    return found


def _norm(tensors: Tensors, name: str, size: int, layout: Layout) -> Tensor:
    w = tensors.take(f"{name}.weight", size)
    return 1.0 + w if layout.one_plus else w


def _layer(tensors: Tensors, name: str, shape: Shape, layout: Layout) -> dict[str, Tensor]:
    d, size = shape.d_model, (shape.d_model, shape.d_head)
    found = {
        f"{ours}.w": _norm(tensors, f"{name}.{theirs}", d, layout)
        for ours, theirs in layout.norms.items()
    }
    for which in "QKV":
        n_heads = shape.n_heads if which == "Q" else shape.key_value_heads
        linear = tensors.linear(
            f"{name}.self_attn.{which.lower()}_proj", n_heads * shape.d_head, d,
            bias=layout.qkv_bias,
        )  # fmt: skip
        found |= heads(linear, which, n_heads, size)
    width = shape.n_heads * shape.d_head
    out = tensors.linear(f"{name}.self_attn.o_proj", d, width, bias=layout.o_bias)
    found["attn.W_O"] = out["weight"].reshape(shape.n_heads, shape.d_head, d)
    if layout.o_bias:
        found["attn.b_O"] = out["bias"]
    if shape.qk_norm:
        for which in "qk":
            theirs = f"{name}.self_attn.{which}_norm"
            found[f"attn.{which}_norm.w"] = _norm(tensors, theirs, shape.d_head, layout)
    return found | _mlp(tensors, f"{name}.mlp", shape, layout)


def _mlp(tensors: Tensors, name: str, shape: Shape, layout: Layout) -> dict[str, Tensor]:
    d, d_mlp, found = shape.d_model, shape.d_mlp, {}
    sizes = {"gate": (d_mlp, d), "in": (d_mlp, d), "out": (d, d_mlp)}
    theirs = {"gate": "gate_proj", "in": "up_proj", "out": "down_proj"}
    for ours, (out, into) in sizes.items():
        linear = tensors.linear(f"{name}.{theirs[ours]}", out, into, bias=layout.mlp_bias)
        found[f"mlp.W_{ours}"] = linear["weight"]
        if layout.mlp_bias:
            found[f"mlp.b_{ours}"] = linear["bias"]
    return found
