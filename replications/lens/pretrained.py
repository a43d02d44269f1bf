"""Published language models, from the bytes of their files, processed as in the documents.

LayerNorm's scale and bias are folded into the matrices that read its output, the matrices that
write to the residual stream and the unembedding are centred, and value biases are folded into
output biases. TransformerLens does this itself, once for each model.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping

import safetensors.torch
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from replications.errors import BadInput, Unsupported
from replications.lens import lines
from replications.lens.base import Lens
from replications.models.families.gpt2 import gpt2_config, gpt2_shape
from replications.models.parameters import without_buffers
from replications.models.shape import Shape


def open_gpt2(
    config: bytes, weights: bytes, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Lens:
    """A GPT-2 from the content of its `config.json` and `model.safetensors`.

    Raises BadInput if the configuration is not a GPT-2's or the weights are those of another
    model, and Unsupported for options of the configuration that are not known here.
    """
    settings = gpt2_config(config, "config.json")
    settings.use_cache = False  # no run here continues an earlier one
    shape = gpt2_shape(settings)
    if not shape.classic:
        raise Unsupported("this GPT-2 scales attention scores in another way than 1/sqrt(d_head)")
    module = _gpt2(settings, weights)
    if lines.installed().kind == "hooked":
        from replications.lens import hooked_pretrained

        return hooked_pretrained.open_gpt2(module, shape, device, dtype)
    from replications.lens import bridge_pretrained

    return bridge_pretrained.open_gpt2(module, settings, shape, device, dtype)


def open_classic(
    weights: bytes, act_fn: str, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Lens:
    """A model saved by an early TransformerLens as a pickled state dict (`*_final.pth`).

    The sizes are read off the weights. Raises BadInput if these are not the weights of a causal
    transformer with LayerNorms and MLPs.
    """
    try:
        loaded = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
        state_dict = without_buffers(loaded)
        shape = _shape(state_dict, act_fn)
        # Some of these files have no unembedding bias, which then is zero.
        state_dict.setdefault("unembed.b_U", torch.zeros(shape.d_vocab_out))
        return _processed(shape, state_dict, device, dtype)
    except (pickle.UnpicklingError, AttributeError, KeyError, RuntimeError, ValueError) as exc:
        raise BadInput(f"this is not a TransformerLens state dict: {exc}") from exc


def _processed(
    shape: Shape, state_dict: Mapping[str, Tensor], device: str, dtype: torch.dtype
) -> Lens:
    if lines.installed().kind == "hooked":
        from replications.lens import hooked_pretrained

        return hooked_pretrained.open_classic(shape, state_dict, device, dtype)
    from replications.lens import bridge_pretrained

    return bridge_pretrained.open_classic(shape, state_dict, device, dtype)


def _gpt2(settings: GPT2Config, weights: bytes) -> GPT2LMHeadModel:
    """The model of transformers with these weights, on the CPU."""
    with torch.random.fork_rng(devices=[]):  # random weights, which are replaced at once
        module = GPT2LMHeadModel(settings)
    try:
        loaded = safetensors.torch.load(weights)
        # The published names lack a prefix, include causal masks, and omit the tied unembedding.
        named = {f"transformer.{n}": v for n, v in loaded.items() if not n.endswith(".attn.bias")}
        module.load_state_dict(named | {"lm_head.weight": loaded["wte.weight"]})
    except (safetensors.SafetensorError, KeyError, RuntimeError) as exc:
        raise BadInput(f"these are not the weights of the configured GPT-2: {exc}") from exc
    return module


def _shape(state_dict: Mapping[str, Tensor], act_fn: str) -> Shape:
    n_ctx, d_model = state_dict["pos_embed.W_pos"].shape
    n_heads, _, d_head = state_dict["blocks.0.attn.W_Q"].shape
    return Shape(
        n_layers=sum(name.endswith(".attn.W_Q") for name in state_dict),
        n_heads=n_heads,
        d_model=d_model,
        d_head=d_head,
        d_mlp=state_dict["blocks.0.mlp.W_in"].shape[1],
        n_ctx=n_ctx,
        d_vocab=len(state_dict["embed.W_E"]),
        d_vocab_out=state_dict["unembed.W_U"].shape[1],
        act_fn=act_fn,
    )
