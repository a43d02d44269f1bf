"""A small GPT-2-style transformer in plain torch: what the toy models are trained with.

LayerNorms before attention, MLP and unembedding, learned positions, a bias everywhere. Weights are
a state dict in TransformerLens's classic layout, so that `open_lens(shape, weights)` opens what was
trained here. Training needs no TransformerLens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from replications.errors import BadInput, ReplicationError
from replications.models.network import ACTIVATIONS, EPSILON
from replications.models.shape import Shape

_BUFFERS = ("attn.mask", "attn.IGNORE")


# ------------------------------------------------------------------------------------- weights
def parameter_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter. Raises BadInput for an architecture that is not GPT-2's.

    GPT-2's are causal, have LayerNorms and learned positions; MLPs may be missing.
    """
    if (shape.attention, shape.normalization, shape.positions) != ("causal", "LN", "standard"):
        raise BadInput("this transformer is causal, with LayerNorms and standard positions only")
    if not shape.attn_only and shape.act_fn not in ACTIVATIONS:
        raise BadInput(f"unknown act_fn {shape.act_fn!r}; there are: {', '.join(ACTIVATIONS)}")
    d, h, k, m = shape.d_model, shape.n_heads, shape.d_head, shape.d_mlp
    block: dict[str, tuple[int, ...]] = {"ln1.w": (d,), "ln1.b": (d,)}
    block |= {f"attn.W_{name}": (h, d, k) for name in "QKV"} | {"attn.W_O": (h, k, d)}
    block |= {f"attn.b_{name}": (h, k) for name in "QKV"} | {"attn.b_O": (d,)}
    if not shape.attn_only:
        block |= {"ln2.w": (d,), "ln2.b": (d,), "mlp.W_in": (d, m), "mlp.b_in": (m,)}
        block |= {"mlp.W_out": (m, d), "mlp.b_out": (d,)}
    sizes: dict[str, tuple[int, ...]] = {
        "embed.W_E": (shape.d_vocab, d),
        "pos_embed.W_pos": (shape.n_ctx, d),
    }
    for layer in range(shape.n_layers):
        sizes |= {_name(layer, name): size for name, size in block.items()}
    sizes |= {"ln_final.w": (d,), "ln_final.b": (d,)}
    return sizes | {"unembed.W_U": (d, shape.d_vocab_out), "unembed.b_U": (shape.d_vocab_out,)}


def _name(layer: int, name: str) -> str:
    return ".".join(("blocks", str(layer), name))


def untrained_state_dict(shape: Shape, seed: int = 0) -> dict[str, Tensor]:
    """The weights that training starts from.

    Matrices are normal with standard deviation 0.8 / sqrt(d_model), those that write into the
    residual stream smaller by sqrt(2 · layers) as in GPT-2; LayerNorms are the identity, other
    biases zero. Raises BadInput for a negative seed.
    """
    if seed < 0:
        raise BadInput(f"seed must be at least 0, not {seed}")
    generator = torch.Generator().manual_seed(seed)
    scale = 0.8 / math.sqrt(shape.d_model)
    found = {}
    for name, size in parameter_shapes(shape).items():
        last = name.split(".")[-1]
        if not last.startswith("W_"):
            found[name] = torch.ones(size) if last == "w" else torch.zeros(size)
            continue
        std = scale / math.sqrt(2 * shape.n_layers) if last in ("W_O", "W_out") else scale
        found[name] = torch.randn(size, generator=generator) * std
    return found


def check_state_dict(state_dict: Mapping[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    """The parameters alone; attention-mask buffers are dropped.

    Raises BadInput naming the first missing, unexpected, mis-shaped or non-finite tensor.
    """
    sizes = parameter_shapes(shape)
    given = {k: v for k, v in state_dict.items() if not k.endswith(_BUFFERS)}
    problems = [f"{name} is missing" for name in sizes if name not in given]
    problems += [f"{name} is not a parameter of this model" for name in given if name not in sizes]
    if not problems:
        problems += [
            f"{name} has shape {tuple(given[name].shape)}, not {size}"
            for name, size in sizes.items()
            if tuple(given[name].shape) != size
        ]
        problems += [f"{name} is not finite" for name in sizes if not given[name].isfinite().all()]
    if problems:
        more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
        raise BadInput(
            f"these weights do not fit: {problems[0]}{more}; expected TransformerLens's classic "
            f"names for {shape.n_layers} layers of {shape.n_heads} heads, d_model {shape.d_model}"
        )
    return {name: given[name] for name in sizes}


def read_state_dict(content: bytes, name: str, shape: Shape) -> dict[str, Tensor]:
    """Weights from the bytes of a `.safetensors` file, called `name` in errors.

    Raises BadInput when the bytes are not such a file or hold another model.
    """
    try:
        loaded = load_safetensors(content)
    except (SafetensorError, ValueError) as error:
        raise BadInput(f"{name} cannot be read as weights: {error}") from error
    return check_state_dict(loaded, shape)


# ---------------------------------------------------------------------------------------- forward
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
    returns the outputs z [batch pos head d_head] of a layer.
    """
    x = weights["embed.W_E"][tokens] + weights["pos_embed.W_pos"][: tokens.shape[1]]
    for layer in range(shape.n_layers):
        z = _heads(weights, layer, _layer_norm(weights, _name(layer, "ln1"), x))
        if keep is not None:
            kept = keep[layer].unsqueeze(-1)
            z = kept * z if instead is None else torch.where(kept == 0, instead(z), kept * z)
        W_O, b_O = (weights[_name(layer, f"attn.{name}")] for name in ("W_O", "b_O"))
        x = x + z.flatten(-2) @ W_O.flatten(0, 1) + b_O
        if not shape.attn_only:
            x = x + _mlp(weights, layer, x, shape)
    return _layer_norm(weights, "ln_final", x) @ weights["unembed.W_U"] + weights["unembed.b_U"]


def _heads(weights: Mapping[str, Tensor], layer: int, x: Tensor) -> Tensor:
    """Attention's z [batch pos head d_head] from normalised x [batch pos d_model]."""
    matrices, biases = ([weights[_name(layer, f"attn.{k}_{n}")] for n in "QKV"] for k in "Wb")
    heads, d_model, d_head = matrices[0].shape
    # One product for queries, keys and values of all heads.
    matrix = torch.cat([m.transpose(0, 1).reshape(d_model, -1) for m in matrices], dim=1)
    qkv = torch.addmm(torch.cat([b.flatten() for b in biases]), x.flatten(0, 1), matrix)
    q, k, v = qkv.view(*x.shape[:2], 3, heads, d_head).permute(2, 0, 3, 1, 4)
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)


def _mlp(weights: Mapping[str, Tensor], layer: int, x: Tensor, shape: Shape) -> Tensor:
    x2 = _layer_norm(weights, _name(layer, "ln2"), x)
    hidden = x2 @ weights[_name(layer, "mlp.W_in")] + weights[_name(layer, "mlp.b_in")]
    active = ACTIVATIONS[shape.act_fn](hidden)
    return active @ weights[_name(layer, "mlp.W_out")] + weights[_name(layer, "mlp.b_out")]


def _layer_norm(weights: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return functional.layer_norm(
        x, (x.shape[-1],), weights[f"{name}.w"], weights[f"{name}.b"], EPSILON
    )


# --------------------------------------------------------------------------------------- training
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


def learn(
    weights: Mapping[str, Tensor],
    loss: Callable[[Mapping[str, Tensor], int], Tensor],
    steps: int,
    *,
    learning_rate: float,
    weight_decay: float = 0.01,
    warmup: int = 100,
    label: str = "training",
) -> tuple[dict[str, Tensor], Tensor]:
    """AdamW on `loss(weights, step)`: the weights after it, and the loss of every step, [step].

    The learning rate rises over `warmup` steps and falls to zero along a cosine; gradients are
    clipped to norm 1; only matrices decay. The loss of step 0 is that of the weights given, which
    stay as they are. Raises ReplicationError when a loss is not finite.
    """
    learned = {name: w.detach().clone().requires_grad_() for name, w in weights.items()}
    groups = [
        {"params": [w for n, w in learned.items() if _decays(n)], "weight_decay": weight_decay},
        {"params": [w for n, w in learned.items() if not _decays(n)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), fused=True)
    losses = torch.empty(steps, dtype=torch.float64)
    # disable=None: a progress bar on a terminal only
    for step in tqdm(range(steps), desc=label, unit="step", disable=None):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * _schedule(step, steps, warmup)
        value = loss(learned, step)
        losses[step] = value.detach()
        if not losses[step].isfinite():
            raise ReplicationError(f"{label} diverged at step {step}; try a smaller learning rate")
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(list(learned.values()), 1.0)
        optimizer.step()
    return {name: w.detach() for name, w in learned.items()}, losses


def _decays(name: str) -> bool:
    return name.split(".")[-1].startswith("W_")


def _schedule(step: int, steps: int, warmup: int) -> float:
    rising = min(1.0, (step + 1) / warmup)
    return rising * 0.5 * (1 + math.cos(math.pi * step / steps))
