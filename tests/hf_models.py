"""Small random models of transformers, of every family that is read, and their exact logits."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import torch
import transformers
from torch import Tensor

SIZES: dict[str, Any] = {
    "vocab_size": 11, "hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 3,
    "num_attention_heads": 3, "max_position_embeddings": 16, "bos_token_id": 0, "eos_token_id": 0,
    "pad_token_id": 0,
}  # fmt: skip
GROUPED = {**SIZES, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6}
_GPT2 = {
    "vocab_size": 11, "n_embd": 12, "n_inner": 20, "n_layer": 3, "n_head": 3, "n_positions": 16,
    "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
_WINDOW = {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1}
_LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 50.0, "factor": 4.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 12,
}  # fmt: skip
_NEOX = {**SIZES, "hidden_size": 24, "rotary_pct": 0.5}

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2", {**_GPT2, "layer_norm_epsilon": 1e-3}),
    "gpt2, scaled by layer": ("GPT2", {**_GPT2, "scale_attn_by_inverse_layer_idx": True}),
    "gpt2, not scaled": (
        "GPT2", {**_GPT2, "scale_attn_weights": False, "tie_word_embeddings": False},
    ),
    "gpt_neox": ("GPTNeoX", {**_NEOX, "layer_norm_eps": 1e-3}),
    "gpt_neox, in sequence, no biases": (
        "GPTNeoX", {**_NEOX, "use_parallel_residual": False, "attention_bias": False},
    ),
    "llama": ("Llama", {**GROUPED, "rms_norm_eps": 1e-3}),
    "llama, biases, stretched, tied": (
        "Llama",
        {
            **SIZES, "num_attention_heads": 2, "attention_bias": True, "mlp_bias": True,
            "tie_word_embeddings": True, "rope_parameters": _LLAMA3,
        },
    ),
    "llama, linear": (
        "Llama",
        {**GROUPED, "rope_parameters": {
            "rope_type": "linear", "factor": 3.0, "rope_theta": 100.0}},
    ),
    "mistral": ("Mistral", {**GROUPED, "sliding_window": 3}),
    "mistral, no window": ("Mistral", {**GROUPED, "sliding_window": None}),
    "qwen2": ("Qwen2", {**SIZES, "num_attention_heads": 6, "num_key_value_heads": 3}),
    "qwen2, windows": (
        "Qwen2", {**SIZES, "num_attention_heads": 6, "num_key_value_heads": 2, **_WINDOW},
    ),
    "qwen3": ("Qwen3", GROUPED),
    "qwen3, biases": ("Qwen3", {**GROUPED, "attention_bias": True, **_WINDOW}),
    "gemma2": (
        "Gemma2",
        {**GROUPED, "sliding_window": 3, "query_pre_attn_scalar": 5,
         "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0},
    ),
    "gemma2, no caps": (
        "Gemma2",
        {**GROUPED, "attn_logit_softcapping": None, "final_logit_softcapping": None},
    ),
    "gemma3_text": (
        "Gemma3Text", {**GROUPED, "sliding_window": 3, "query_pre_attn_scalar": 5,
                       "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
    ),
    "phi": ("Phi", {**SIZES, "hidden_size": 24, "layer_norm_eps": 1e-3}),
    "phi, grouped, normalised": (
        "Phi",
        {**SIZES, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2,
         "qk_layernorm": True},
    ),
}  # fmt: skip
"""Name -> the beginning of the configuration's class, and its arguments."""

FAMILIES = sorted({name.partition(",")[0] for name in MODELS})
"""The first variant of each."""


@cache
def model(name: str, seed: int = 0) -> Any:
    """A random model in float64, whose norms are far from the identity and no bias is zero."""
    kind, settings = MODELS[name]
    config = getattr(transformers, f"{kind}Config")(**settings)
    config._attn_implementation = "eager"
    config.use_cache = False
    made = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    made = made.double().train(False)
    generator = torch.Generator().manual_seed(seed)
    for parameter in made.parameters():
        value = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.data = 0.4 * value + (parameter.ndim == 1)
    return made


def tokens(batch: int = 3, length: int = 7, seed: int = 0) -> Tensor:
    """Random tokens [batch pos]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(11, (batch, length), generator=generator)


def logits(name: str, text: Tensor) -> Tensor:
    """What transformers computes, all of it but rotations in float64: [batch pos d_vocab]."""
    made = model(name)
    with torch.no_grad(), _in_float64(sys.modules[type(made).__module__]):
        found: Tensor = made(text).logits
    return found


class _Wide(ModuleType):
    """torch, in which float32 is float64."""

    float32 = torch.float64

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


@contextmanager
def _in_float64(modelling: ModuleType) -> Iterator[None]:
    """Norms and softmax of a module of transformers without their detour by float32.

    They write `torch.float32` and, in Gemma's norms, `x.float()`. Rotations say `torch.float` and
    are left as they are.
    """
    norms = [value for name, value in vars(modelling).items() if name.endswith("RMSNorm")]
    before = {norm: norm.forward for norm in norms}

    def wide(forward: Any) -> Any:
        def run(self: Any, x: Tensor) -> Tensor:
            narrow, torch.Tensor.float = torch.Tensor.float, torch.Tensor.double  # type: ignore[method-assign]
            try:
                found: Tensor = forward(self, x)
            finally:
                torch.Tensor.float = narrow  # type: ignore[method-assign]
            return found

        return run

    vars(modelling)["torch"] = _Wide("torch")
    try:
        for norm, forward in before.items():
            norm.forward = wide(forward)
        yield
    finally:
        vars(modelling)["torch"] = torch
        for norm, forward in before.items():
            norm.forward = forward
