"""Tiny random models in the formats and under the file names of the published ones.

    python -m tests.stand_in DIR

writes `DIR/right` and `DIR/altered` (one byte of each weight file differs), both with a folder
for each model, and `DIR/manifest.toml` for `REPLICATIONS_MANIFEST`.  With them the path of the
published files can be walked where those cannot be had.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers, trainers
from torch import Tensor

from replications.models import parameters
from replications.models.shape import Shape

TEXT = (
    "When John and Mary went to the store, John gave a drink to Mary.",
    "Then Alice and Bob met at the park, and Bob handed the book to Alice.",
    "Her name was Alice Brown. At lunch time Alice Brown read a book.",
)
LAYERS, HEADS, WIDTH, CONTEXT = 2, 3, 12, 20
WEIGHTS = {"gpt2-small": "model.safetensors", "gelu-2l": "model_final.pth"}
UNKNOWN = ("gelu-2l",)
"""As in the shipped manifest: no digest of these files was published."""


def files(model: str) -> dict[str, bytes]:
    """The files of one stand-in by name, always the same."""
    if model == "gpt2-small":
        words = tokenizer(["<|endoftext|>"])
        vocabulary = words.get_vocab_size()
        return {
            "config.json": _config(vocabulary),
            "model.safetensors": safetensors.torch.save(gpt2_weights(vocabulary)),
            "tokenizer.json": words.to_str().encode(),
        }
    words = tokenizer(["<|endoftext|>", "<|BOS|>"])
    content = io.BytesIO()
    torch.save(classic_weights(words.get_vocab_size()), content)
    return {"model_final.pth": content.getvalue(), "tokenizer.json": words.to_str().encode()}


def gpt2_weights(vocabulary: int) -> dict[str, Tensor]:
    """As published: no prefix, causal masks among the weights, the unembedding left out."""
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
    mask = torch.ones(CONTEXT, CONTEXT).tril()[None, None]
    masks = {f"h.{layer}.attn.bias": mask.clone() for layer in range(LAYERS)}
    return _random(sizes, ones=("ln_1.weight", "ln_2.weight", "ln_f.weight")) | masks


def classic_weights(vocabulary: int) -> dict[str, Tensor]:
    """As an early TransformerLens saved them: masks included, heads not as wide as the model."""
    shape = Shape(
        n_layers=LAYERS, n_heads=HEADS, d_model=WIDTH, d_head=5, d_mlp=10, n_ctx=CONTEXT,
        d_vocab=vocabulary, d_vocab_out=vocabulary,
    )  # fmt: skip
    sizes = parameters.classic(shape)
    found = _random(sizes, ones=("ln1.w", "ln2.w", "ln_final.w"))
    for layer in range(LAYERS):
        found[parameters.in_layer(layer, "attn.mask")] = torch.ones(CONTEXT, CONTEXT).tril().bool()
        found[parameters.in_layer(layer, "attn.IGNORE")] = torch.tensor(-1e5)
    return found


def manifest(contents: Mapping[str, Mapping[str, bytes]]) -> str:
    """A manifest that names these files: contents by model and file name."""
    lines = ["schema = 1"]
    for model, named in contents.items():
        for file, content in named.items():
            known = model not in UNKNOWN
            lines += [
                "[[fixture]]",
                f'name = "{model}/{file}"',
                f'subjects = ["stand-in/{model}"]',
                'kind = "toy"',
                f"bytes = {len(content)}" if known else 'bytes = "unknown"',
                f'sha256 = "{digest(content) if known else "unknown"}"',
                'licence = "MIT"',
                "sources = []",
                'remake = "python -m tests.stand_in DIR"',
                'note = "A stand-in with random weights."',
            ]
    return "\n".join(lines) + "\n"


def altered(content: bytes) -> bytes:
    """The content with one bit of its last byte flipped."""
    return content[:-1] + bytes([content[-1] ^ 1])


def write(folder: Path) -> None:
    """Write both stand-ins, their altered copies and the manifest to `folder`."""
    contents = {model: files(model) for model in WEIGHTS}
    for model, named in contents.items():
        for file, content in named.items():
            for copy in ("right", "altered"):
                path = folder / copy / model / file
                path.parent.mkdir(parents=True, exist_ok=True)
                flip = copy == "altered" and file == WEIGHTS[model]
                path.write_bytes(altered(content) if flip else content)
    (folder / "manifest.toml").write_text(manifest(contents), encoding="utf-8")


def _config(vocabulary: int) -> bytes:
    settings = {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        # The first word; transformers warns of a number outside the vocabulary.
        "bos_token_id": 0,
        "eos_token_id": 0,
        "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2",
        "n_ctx": CONTEXT,
        "n_embd": WIDTH,
        "n_head": HEADS,
        "n_layer": LAYERS,
        "n_positions": CONTEXT,
        "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
        "vocab_size": vocabulary,
    }
    return json.dumps(settings, indent=2).encode()


def tokenizer(special: list[str]) -> tokenizers.Tokenizer:
    """Byte-level BPE, as GPT-2 and GPT-NeoX have it, trained on `TEXT`."""
    found = tokenizers.Tokenizer(models.BPE())
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        min_frequency=2,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    found.train_from_iterator(TEXT, trainer)
    return found


def _random(sizes: Mapping[str, tuple[int, ...]], ones: tuple[str, ...]) -> dict[str, Tensor]:
    """Random weights: LayerNorms far from the identity, no bias zero."""
    generator = torch.Generator().manual_seed(0)
    found = {}
    for name, size in sizes.items():
        value = 0.4 * torch.randn(size, generator=generator)
        found[name] = 1 + value if name.endswith(ones) else value
    return found


def digest(content: bytes) -> str:
    """Its sha256."""
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    write(Path(sys.argv[1]))
