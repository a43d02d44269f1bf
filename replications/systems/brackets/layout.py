"""The state dict of the published file: what its keys mean for our training model."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from replications.models.parameters import in_layer
from replications.systems.brackets.classifier import D_HEAD, D_MODEL, HEADS, Block, Classifier
from replications.systems.brackets.model import check_state_dict


def export_state_dict(model: Classifier) -> dict[str, Tensor]:
    """The weights under the published keys and shapes: contiguous, detached copies.

    Matrices act on row vectors, e.g. `blocks.0.attn.W_Q` is [head d_model d_head].
    """
    contiguous = torch.contiguous_format
    return {name: view.clone(memory_format=contiguous) for name, view in _views(model).items()}


def load_state_dict_into(model: Classifier, state_dict: Mapping[str, Tensor]) -> None:
    """Copy weights of the published layout into the model; the inverse of `export_state_dict`.

    Raises BadInput, with nothing copied, as `model.check_state_dict`.
    """
    given = check_state_dict(state_dict)
    for name, view in _views(model).items():
        view.copy_(given[name])


def _views(model: Classifier) -> dict[str, Tensor]:
    """Detached views of the model's own memory under the published keys and shapes."""
    views = {"embed.W_E": model.embed.weight, "pos_embed.W_pos": model.positions}
    for layer, block in enumerate(model.blocks):
        assert isinstance(block, Block)
        views |= {in_layer(layer, name): view for name, view in _block_views(block).items()}
    views |= {
        "ln_final.w": model.ln_final.weight,
        "ln_final.b": model.ln_final.bias,
        "unembed.W_U": model.head.weight.T,
        "unembed.b_U": model.head.bias,
    }
    return {name: view.detach() for name, view in views.items()}


def _block_views(block: Block) -> dict[str, Tensor]:
    weights = block.attention.qkv.weight.view(3, HEADS, D_HEAD, D_MODEL).mT
    biases = block.attention.qkv.bias.view(3, HEADS, D_HEAD)
    return {
        "ln1.w": block.ln1.weight,
        "ln1.b": block.ln1.bias,
        **{f"attn.W_{name}": weight for name, weight in zip("QKV", weights, strict=True)},
        **{f"attn.b_{name}": bias for name, bias in zip("QKV", biases, strict=True)},
        "attn.W_O": block.attention.out.weight.view(D_MODEL, HEADS, D_HEAD).permute(1, 2, 0),
        "attn.b_O": block.attention.out.bias,
        "ln2.w": block.ln2.weight,
        "ln2.b": block.ln2.bias,
        "mlp.W_in": block.up.weight.T,
        "mlp.b_in": block.up.bias,
        "mlp.W_out": block.down.weight.T,
        "mlp.b_out": block.down.bias,
    }
