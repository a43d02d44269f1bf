"""A small GPT-2-style transformer in plain torch with gradients: what the toy models are.

LayerNorms before attention, MLP and unembedding, or none, learned positions, biases. Weights are
a state dict in TransformerLens's classic layout, so that `open_lens(shape, weights)` opens what was
trained here. Training needs no TransformerLens.

Two systems have a forward pass of their own, because retraining must give the shipped weights bit
for bit and theirs sum in another order: `brackets.classifier`, which computes no padding, and
`list_update.train.predictions`, which computes the answers' queries alone in the last layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from replications.errors import BadInput
from replications.models import parameters, untrained
from replications.models.layers import ACTIVATIONS, EPSILON
from replications.models.parameters import in_layer
from replications.models.shape import Shape


def untrained_state_dict(shape: Shape, seed: int = 0) -> dict[str, Tensor]:
    """The weights that training starts from.

    Matrices are normal with standard deviation 0.8 / sqrt(d_model), those that write into the
    residual stream smaller by sqrt(2 · layers) as in GPT-2; LayerNorms are the identity, other
    biases zero. Raises BadInput for a negative seed or an architecture that `forward` cannot run.
    """
    _check_shape(shape)
    return untrained.untrained(parameters.classic(shape), untrained.by_width_and_depth(shape), seed)


def _check_shape(shape: Shape) -> None:
    if (shape.attention, shape.positions) != ("causal", "standard"):
        raise BadInput("this transformer is causal, with standard positions only")
    if not shape.classic:
        raise BadInput("this transformer has no parts beyond TransformerLens's classic layout")
    if not shape.attn_only and shape.act_fn not in ACTIVATIONS:
        raise BadInput(f"unknown act_fn {shape.act_fn!r}; there are: {', '.join(ACTIVATIONS)}")


def forward(
    weights: Mapping[str, Tensor],
    tokens: Tensor,
    shape: Shape,
    *,
    keep: Tensor | None = None,
    instead: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Logits [batch pos d_vocab_out] of tokens [batch pos], with gradients.

    `keep` [layer batch pos head] multiplies the outputs of whole heads (see `head_dropout`); axes
    of size 1 broadcast. Where it is 0 a head gives nothing, or `instead(z)`, which takes and
    returns the outputs z [batch pos head d_head] of a layer. Raises BadInput for an architecture
    that is not GPT-2's: causal, with learned positions; MLPs and LayerNorms may be missing.
    """
    _check_shape(shape)
    x = weights["embed.W_E"][tokens] + weights["pos_embed.W_pos"][: tokens.shape[1]]
    for layer in range(shape.n_layers):
        z = _heads(weights, layer, _layer_norm(weights, in_layer(layer, "ln1"), x, shape))
        if keep is not None:
            kept = keep[layer].unsqueeze(-1)
            z = kept * z if instead is None else torch.where(kept == 0, instead(z), kept * z)
        W_O, b_O = (weights[in_layer(layer, f"attn.{name}")] for name in ("W_O", "b_O"))
        x = x + z.flatten(-2) @ W_O.flatten(0, 1) + b_O
        if not shape.attn_only:
            x = x + _mlp(weights, layer, x, shape)
    x = _layer_norm(weights, "ln_final", x, shape)
    return x @ weights["unembed.W_U"] + weights["unembed.b_U"]


def _heads(weights: Mapping[str, Tensor], layer: int, x: Tensor) -> Tensor:
    """Attention's z [batch pos head d_head] from normalised x [batch pos d_model]."""
    matrices, biases = ([weights[in_layer(layer, f"attn.{k}_{n}")] for n in "QKV"] for k in "Wb")
    heads, d_model, d_head = matrices[0].shape
    # One product for queries, keys and values of all heads.
    matrix = torch.cat([m.transpose(0, 1).reshape(d_model, -1) for m in matrices], dim=1)
    qkv = torch.addmm(torch.cat([b.flatten() for b in biases]), x.flatten(0, 1), matrix)
    q, k, v = qkv.view(*x.shape[:2], 3, heads, d_head).permute(2, 0, 3, 1, 4)
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)


def _mlp(weights: Mapping[str, Tensor], layer: int, x: Tensor, shape: Shape) -> Tensor:
    x2 = _layer_norm(weights, in_layer(layer, "ln2"), x, shape)
    hidden = x2 @ weights[in_layer(layer, "mlp.W_in")] + weights[in_layer(layer, "mlp.b_in")]
    active = ACTIVATIONS[shape.act_fn](hidden)
    return active @ weights[in_layer(layer, "mlp.W_out")] + weights[in_layer(layer, "mlp.b_out")]


def _layer_norm(weights: Mapping[str, Tensor], name: str, x: Tensor, shape: Shape) -> Tensor:
    if shape.normalization is None:
        return x
    return functional.layer_norm(
        x, (x.shape[-1],), weights[f"{name}.w"], weights[f"{name}.b"], EPSILON
    )


def head_dropout(
    rates: Tensor, batch: int, generator: torch.Generator, *, rescale: bool = True
) -> Tensor:
    """Which heads to keep, for `forward`: [layer batch 1 head].

    A head is left out of a whole example with its own probability in `rates` [layer head]. With
    `rescale` those that stay are made larger by 1 / (1 - rate), as dropout usually does; without it
    the model meets what an ablation does to it. Raises BadInput for a rate outside [0, 1).
    """
    if rates.ndim != 2 or not ((rates >= 0) & (rates < 1)).all():
        raise BadInput(f"rates of dropout must be [layer head], each in [0, 1), not {rates}")
    layers, heads = rates.shape
    drawn = torch.rand(layers, batch, 1, heads, generator=generator)
    kept = (drawn >= rates[:, None, None]).float()
    return kept / (1 - rates[:, None, None]) if rescale else kept
