"""A GPT-2 of the user's own: a folder as Hugging Face's `save_pretrained` writes it."""

from __future__ import annotations

import json
from pathlib import Path

import safetensors
import safetensors.torch
from transformers import GPT2Config

from replications.errors import BadInput
from replications.models.network import Network
from replications.models.tokenizers import Tokenizer

FILES = ("config.json", "model.safetensors", "tokenizer.json")


def open_folder(folder: Path) -> tuple[Network, Tokenizer]:
    """The model, in float32 and as it is (nothing folded or centred), and its tokenizer.

    Raises BadInput if a file is missing or not what it should be, Unsupported for options of a
    GPT-2 that are not known here.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise BadInput(
            f"{folder} lacks {', '.join(missing)}; write the folder with save_pretrained of a "
            "GPT-2 of transformers and of its fast tokenizer"
        )
    config = _config(folder / FILES[0])
    try:
        weights = safetensors.torch.load_file(folder / FILES[1])
    except (OSError, safetensors.SafetensorError) as exc:
        raise BadInput(f"{folder / FILES[1]} is not a whole safetensors file: {exc}") from exc
    wide = {name: value.float() for name, value in weights.items()}
    tokenizer = Tokenizer.from_json((folder / FILES[2]).read_bytes())
    return Network.from_hf_gpt2(wide, config), tokenizer


def _config(path: Path) -> GPT2Config:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise BadInput(f"cannot read {path}: {exc}") from exc
    kind = settings.get("model_type") if isinstance(settings, dict) else None
    if kind != "gpt2":
        raise BadInput(f"{path} has model_type {kind!r}; only 'gpt2' can be swept here")
    return GPT2Config.from_dict(settings)
