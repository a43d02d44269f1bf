"""How the published analysis prepares weights before it reads numbers off them.

Processing leaves what the model computes as it is, but for a constant in the logits. It makes
matrices comparable: what LayerNorm removes anyway is removed from the weights, and LayerNorm's own
weights become part of the matrices that read its output.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from replications.models import Shape
from replications.models.parameters import in_layer

Weights = dict[str, Tensor]


def processed(
    state_dict: Mapping[str, Tensor], shape: Shape, *, fold_value_biases: bool = True
) -> Weights:
    """Processed weights in the classic layout, without LayerNorm parameters, in float64.

    In this order: what writes to the residual stream is centred over d_model; the unembedding is
    centred over its outputs; LayerNorms are folded into the matrices that read them, which are
    then centred over d_model; value biases are folded into output biases.

    In a model without LayerNorms centring what is written changes what is computed.
    """
    weights = {name: value.double() for name, value in state_dict.items()}
    _centre_writing(weights, shape)
    _centre_unembedding(weights)
    if shape.normalization is not None:
        _fold_layernorms(weights, shape)
    if fold_value_biases:
        _fold_value_biases(weights, shape)
    return {name: value for name, value in weights.items() if not _of_norm(name)}


def _fold_layernorms(weights: Weights, shape: Shape) -> None:
    """Fold all LayerNorms of a model without MLPs into the matrices that read them."""
    for layer in range(shape.n_layers):
        norm = in_layer(layer, "ln1")
        for name in "QKV":
            _fold(weights, norm, *(in_layer(layer, f"attn.{kind}_{name}") for kind in "Wb"))
    _fold(weights, "ln_final", "unembed.W_U", "unembed.b_U")


def _centre_writing(weights: Weights, shape: Shape) -> None:
    """Subtract its mean over d_model from every row that is added to the residual stream."""
    names = ["embed.W_E", "pos_embed.W_pos"]
    names += [in_layer(i, f"attn.{n}_O") for i in range(shape.n_layers) for n in "Wb"]
    if not shape.attn_only:
        names += [in_layer(i, f"mlp.{n}_out") for i in range(shape.n_layers) for n in "Wb"]
    for name in names:
        weights[name] = weights[name] - weights[name].mean(-1, keepdim=True)


def _centre_unembedding(weights: Weights) -> None:
    """Subtract the mean over outputs, which no probability depends on."""
    for name in ("unembed.W_U", "unembed.b_U"):
        weights[name] = weights[name] - weights[name].mean(-1, keepdim=True)


def _fold(weights: Weights, norm: str, matrix: str, bias: str) -> None:
    """Fold the LayerNorm `norm` into a matrix [… d_model out] and its bias [… out]; centre it."""
    W = weights[matrix]
    weights[bias] = weights[bias] + weights[f"{norm}.b"] @ W
    scaled = weights[f"{norm}.w"][:, None] * W
    weights[matrix] = scaled - scaled.mean(-2, keepdim=True)


def _fold_value_biases(weights: Weights, shape: Shape) -> None:
    """Move value biases into output biases: attention adds up to one, so they are constants."""
    for layer in range(shape.n_layers):
        b_V, W_O, b_O = (in_layer(layer, f"attn.{n}") for n in ("b_V", "W_O", "b_O"))
        moved = (weights[b_V][..., None] * weights[W_O]).sum((0, 1))
        weights[b_O], weights[b_V] = weights[b_O] + moved, weights[b_V] * 0


def _of_norm(name: str) -> bool:
    return any(part.startswith("ln") for part in name.split("."))
