"""Drafts of `construction` in the files of GPT-2 and of gelu-2l, so that both loading paths run.

A draft has no LayerNorm. Here it gets them, and three coordinates more: a constant and its
opposite, so much longer than the rest that LayerNorms divide by nearly the same everywhere, and one
that balances what is written, so that there is no mean to subtract. MLPs are there and write
nothing.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from math import sqrt

import safetensors.torch
import torch
from torch import Tensor

CONSTANT = 1000.0
"""Length of each constant coordinate: other coordinates are 40 at most."""
FAINT = 0.01
"""What the embedding writes of the word to predict, where it is the unembedding as well."""
D_MLP = 4


def gpt2_files(
    weights: Mapping[str, Tensor], heads: int, d_head: int, said: slice
) -> tuple[bytes, bytes]:
    """`config.json` and `model.safetensors`. The register `said` is read by the unembedding.

    The unembedding is the embedding, so `said` gets a faint copy of every token, and the last
    LayerNorm reads this register alone. Its bias is the unembedding's.
    """
    width, layers = heads * d_head, _layers(weights)
    scale = torch.full((width,), CONSTANT * sqrt(2 / width))
    token = weights["embed.W_E"].float().clone()
    token[:, said] += FAINT * torch.eye(len(token))
    reads_said = torch.zeros(width)
    reads_said[said] = scale[said] / FAINT
    bias = torch.zeros(width)
    bias[said] = weights["unembed.b_U"].float() / FAINT
    found = {
        "wte.weight": _balanced(token, width),
        "wpe.weight": _balanced(weights["pos_embed.W_pos"].float(), width, CONSTANT),
        "ln_f.weight": reads_said,
        "ln_f.bias": bias,
    }
    for layer in range(layers):
        W_Q, W_K, W_V, W_O = (weights[f"blocks.{layer}.attn.{n}"].float() for n in _MATRICES)
        b_Q = weights[f"blocks.{layer}.attn.b_Q"].float().flatten()
        c_attn = [_padded(w.transpose(0, 1).flatten(1), width) for w in (W_Q, W_K, W_V)]
        block = {
            "ln_1.weight": scale,
            "ln_1.bias": torch.zeros(width),
            "ln_2.weight": scale,
            "ln_2.bias": torch.zeros(width),
            "attn.c_attn.weight": torch.cat(c_attn, 1),
            "attn.c_attn.bias": torch.cat([b_Q, torch.zeros(2 * width)]),
            "attn.c_proj.weight": _balanced(W_O.flatten(0, 1), width),
            "attn.c_proj.bias": torch.zeros(width),
            "mlp.c_fc.weight": torch.zeros(width, D_MLP),
            "mlp.c_fc.bias": torch.zeros(D_MLP),
            "mlp.c_proj.weight": torch.zeros(D_MLP, width),
            "mlp.c_proj.bias": torch.zeros(width),
        }
        found |= {f"h.{layer}.{name}": value.clone() for name, value in block.items()}
    config = {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "bos_token_id": 0,
        "eos_token_id": 0,
        "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2",
        "n_embd": width,
        "n_head": heads,
        "n_inner": D_MLP,
        "n_layer": layers,
        "n_positions": len(weights["pos_embed.W_pos"]),
        "vocab_size": len(token),
    }
    return json.dumps(config).encode(), safetensors.torch.save(found)


def classic_file(weights: Mapping[str, Tensor]) -> bytes:
    """`model_final.pth` of an early TransformerLens: a pickled state dict with LayerNorms."""
    d_model = weights["embed.W_E"].shape[1] + 3
    scale = torch.full((d_model,), CONSTANT * sqrt(2 / d_model))
    found = {name: value.float() for name, value in weights.items()}
    found["embed.W_E"] = _balanced(found["embed.W_E"], d_model)
    found["pos_embed.W_pos"] = _balanced(found["pos_embed.W_pos"], d_model, CONSTANT)
    found["unembed.W_U"] = _padded(found["unembed.W_U"], d_model)
    for layer in range(_layers(weights)):
        for name in ("W_Q", "W_K", "W_V"):
            key = f"blocks.{layer}.attn.{name}"
            found[key] = torch.stack([_padded(head, d_model) for head in found[key]])
        for name, like in (("W_O", d_model), ("b_O", d_model)):
            key = f"blocks.{layer}.attn.{name}"
            found[key] = _balanced(found[key], like)
        found |= {
            f"blocks.{layer}.mlp.W_in": torch.zeros(d_model, D_MLP),
            f"blocks.{layer}.mlp.b_in": torch.zeros(D_MLP),
            f"blocks.{layer}.mlp.W_out": torch.zeros(D_MLP, d_model),
            f"blocks.{layer}.mlp.b_out": torch.zeros(d_model),
        }
        for norm in ("ln1", "ln2"):
            found[f"blocks.{layer}.{norm}.w"] = scale.clone()
            found[f"blocks.{layer}.{norm}.b"] = torch.zeros(d_model)
    found |= {"ln_final.w": scale.clone(), "ln_final.b": torch.zeros(d_model)}
    stream = io.BytesIO()
    torch.save(found, stream)
    return stream.getvalue()


_MATRICES = ("W_Q", "W_K", "W_V", "W_O")


def _layers(weights: Mapping[str, Tensor]) -> int:
    return sum(name.endswith(".attn.W_Q") for name in weights)


def _padded(reading: Tensor, width: int) -> Tensor:
    """A matrix [d_model m] that reads nothing from further coordinates: [width m]."""
    return torch.cat([reading, torch.zeros(width - len(reading), reading.shape[1])])


def _balanced(writing: Tensor, width: int, constant: float = 0.0) -> Tensor:
    """What is written [… d_model], then two constants, the balance, and zeros: [… width]."""
    more = torch.zeros(*writing.shape[:-1], width - writing.shape[-1])
    more[..., 0], more[..., 1], more[..., 2] = constant, -constant, -writing.sum(-1)
    return torch.cat([writing, more], -1)
