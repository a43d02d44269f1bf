"""Model folders as people have them, sound and damaged: small random GPT-2s with a tokenizer.

The inputs of public reports; each function changes the sound folder of `plain` in one way.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import tokenizers
import torch
from tokenizers.processors import TemplateProcessing
from torch import Tensor

from tests import stand_in

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
INDEX = "model.safetensors.index.json"
BOS = "<|endoftext|>"
Change = Callable[[Path], None]


def plain(folder: Path) -> Path:
    """A sound folder: two layers, three heads, twenty positions."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in stand_in.files("gpt2-small").items():
        (folder / name).write_bytes(content)
    return folder


def made(folder: Path, *changes: Change) -> Path:
    """`plain`, with changes."""
    plain(folder)
    for change in changes:
        change(folder)
    return folder


# ---- changes ------------------------------------------------------------------------------------


def config(**settings: Any) -> Change:
    """Other settings in config.json."""

    def change(folder: Path) -> None:
        content = json.loads((folder / CONFIG).read_text()) | settings
        (folder / CONFIG).write_text(json.dumps(content))

    return change


def weights(edit: Callable[[dict[str, Tensor]], dict[str, Tensor] | None]) -> Change:
    """Other weights: `edit` changes the state dict, or returns another one."""

    def change(folder: Path) -> None:
        found = safetensors.torch.load_file(folder / WEIGHTS)
        found = edit(found) or found
        found = {name: value.contiguous() for name, value in found.items()}
        safetensors.torch.save_file(found, folder / WEIGHTS)

    return change


def tokenizer(edit: Callable[[tokenizers.Tokenizer], object]) -> Change:
    """Another tokenizer.json."""

    def change(folder: Path) -> None:
        inner = tokenizers.Tokenizer.from_file(str(folder / TOKENIZER))
        edit(inner)
        inner.save(str(folder / TOKENIZER))

    return change


def settings(**content: Any) -> Change:
    """A tokenizer_config.json."""
    return file("tokenizer_config.json", json.dumps(content).encode())


def file(name: str, content: bytes | None) -> Change:
    """Another content of one file; None removes it."""

    def change(folder: Path) -> None:
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(content)

    return change


def extra(*names: str) -> Change:
    """More tensors in the file."""
    return weights(lambda w: w.update({name: torch.zeros(2, 2) for name in names}))


def spoilt(name: str, value: float) -> Change:
    """One number of a tensor that is not finite."""

    def edit(found: dict[str, Tensor]) -> None:
        found[name].view(-1)[-1] = value

    return weights(edit)


def opened_by_post_processor(inner: tokenizers.Tokenizer) -> None:
    """A post-processor that puts BOS before every text."""
    inner.post_processor = TemplateProcessing(f"{BOS} $A", special_tokens=[(BOS, 0)])


def sharded(folder: Path) -> None:
    """The weights in two files, with an index."""
    found = safetensors.torch.load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = list(found)
    where: dict[str, str] = {}
    for i, part in enumerate((names[::2], names[1::2]), start=1):
        shard = f"model-0000{i}-of-00002.safetensors"
        safetensors.torch.save_file({name: found[name] for name in part}, folder / shard)
        where |= dict.fromkeys(part, shard)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": where}))


def slow_tokenizer(folder: Path) -> None:
    """vocab.json and merges.txt in place of tokenizer.json."""
    model = json.loads((folder / TOKENIZER).read_text())["model"]
    (folder / TOKENIZER).unlink()
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    lines = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(lines) + "\n")


def pickled(folder: Path) -> None:
    """pytorch_model.bin in place of safetensors."""
    torch.save(safetensors.torch.load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


named = settings(tokenizer_class="PreTrainedTokenizerFast")
"""The class that reads tokenizer.json as it is; without it transformers takes the family's own."""


def with_prefix(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names that GPT2LMHeadModel saves."""
    return {f"transformer.{name}": value for name, value in found.items()}


def of_family(folder: Path, name: str, **changes: Any) -> Path:
    """A small random model of a family (see `hf_models`) with the tokenizer of `plain`."""
    import transformers

    from tests import hf_models

    plain(folder)
    (folder / WEIGHTS).unlink()
    inner = tokenizers.Tokenizer.from_file(str(folder / TOKENIZER))
    kind, arguments = hf_models.MODELS[name]
    arguments = arguments | {"vocab_size": inner.get_vocab_size()} | changes
    settings = getattr(transformers, f"{kind}Config")(**arguments)
    torch.manual_seed(0)
    made = transformers.AutoModelForCausalLM.from_config(settings)
    for parameter in made.parameters():
        parameter.data = 0.4 * torch.randn(parameter.shape) + (parameter.ndim == 1)
    made.save_pretrained(folder)
    named(folder)
    return folder
