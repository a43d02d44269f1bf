"""A random model in GPT-2's file formats, with a tokenizer that knows the published prompts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

import safetensors.torch
import tokenizers
import torch
from tokenizers import models, pre_tokenizers, trainers

from replications.lens import Lens
from replications.lens.pretrained import open_gpt2
from replications.models.tokenizers import Tokenizer

LAYERS, HEADS, WIDTH, CONTEXT = 12, 12, 24, 256


def word_tokenizer(texts: Iterable[str], size: int = 4000) -> Tokenizer:
    """A tokenizer of GPT-2's kind in which every word of the texts is one token.

    A word with a space before it is another token than the word alone.
    """
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    return Tokenizer(inner)


def weights(vocabulary: int, seed: int = 0) -> bytes:
    """Random, in the published names and layout."""
    sizes: dict[str, tuple[int, ...]] = {"wte.weight": (vocabulary, WIDTH)}
    sizes |= {"wpe.weight": (CONTEXT, WIDTH), "ln_f.weight": (WIDTH,), "ln_f.bias": (WIDTH,)}
    for layer in range(LAYERS):
        for name, (rows, columns) in {
            "attn.c_attn": (WIDTH, 3 * WIDTH),
            "attn.c_proj": (WIDTH, WIDTH),
            "mlp.c_fc": (WIDTH, 4 * WIDTH),
            "mlp.c_proj": (4 * WIDTH, WIDTH),
        }.items():
            sizes[f"h.{layer}.{name}.weight"] = (rows, columns)
            sizes[f"h.{layer}.{name}.bias"] = (columns,)
        for name in ("ln_1", "ln_2"):
            sizes |= {f"h.{layer}.{name}.{part}": (WIDTH,) for part in ("weight", "bias")}
    generator = torch.Generator().manual_seed(seed)
    scale = 1 / math.sqrt(WIDTH)
    drawn = {n: scale * torch.randn(size, generator=generator) for n, size in sizes.items()}
    return safetensors.torch.save(drawn)


def random_gpt2(tokenizer: Tokenizer, *, dtype: torch.dtype = torch.float32) -> Lens:
    """The random model, opened as the published one is."""
    config = {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2",
        "n_embd": WIDTH,
        "n_head": HEADS,
        "n_layer": LAYERS,
        "n_positions": CONTEXT,
        "vocab_size": len(tokenizer),
    }
    return open_gpt2(json.dumps(config).encode(), weights(len(tokenizer)), dtype=dtype)
