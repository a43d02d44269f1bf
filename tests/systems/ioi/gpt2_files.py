"""A random model in GPT-2's file formats, with a tokenizer that knows the published prompts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from functools import cache

import safetensors.torch
import tokenizers
import torch
from tokenizers import models, pre_tokenizers, trainers

from replications.lens import Lens
from replications.lens.pretrained import open_gpt2
from replications.models.tokenizers import Tokenizer
from replications.systems.ioi.data import NAMES as OWN_NAMES
from replications.systems.ioi.data import OBJECTS, PLACES, document
from replications.systems.ioi.data.document import NAMES
from replications.systems.ioi.published import figure, prompts

LAYERS, HEADS, WIDTH, CONTEXT = 12, 12, 24, 256
GAIN = 3.0
"""Attention's weights are this much larger, so that heads move something."""
LOUD = (9, 9)
"""The layer and head whose output is twenty times as large, so that its loss is noticed."""


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
    drawn = {
        name: scale * (GAIN if "c_attn" in name else 1) * torch.randn(size, generator=generator)
        for name, size in sizes.items()
    }
    layer, head = LOUD
    drawn["ln_f.weight"] *= 50  # logits are as large as those of a trained model
    size = WIDTH // HEADS
    drawn[f"h.{layer}.attn.c_proj.weight"][head * size : (head + 1) * size] *= 20
    return safetensors.torch.save(drawn)


@cache
def published_tokenizer() -> Tokenizer:
    """A tokenizer in which the prompts of public notebooks have as many tokens as in GPT-2's."""
    said = [*prompts.EIGHT.clean, *prompts.MAIN.clean, *prompts.MAIN.corrupted, "Hello world!"]
    words = [*figure("main/next_token_logits").labels["token"], *NAMES]
    words += [*OWN_NAMES, *PLACES, *OBJECTS, *document.PLACES, *document.OBJECTS]
    said += [
        s.text for i in range(len(document.TEMPLATES)) for s in document.of_template(i, "ABB", 1)
    ]
    words += [name for both in prompts.NAMES for name in both]
    return word_tokenizer([*said, *words, *(f" {word}" for word in words)] * 3)


@cache
def random_gpt2(dtype: torch.dtype = torch.float32) -> Lens:
    """A random model, opened as the published one is. Its weights are float32 in the file."""
    tokenizer = published_tokenizer()
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
