"""The user's own GPT-2: a folder as `save_pretrained` of Hugging Face's transformers writes it."""

from __future__ import annotations

from pathlib import Path

import safetensors
import safetensors.torch

from replications import files
from replications.errors import BadInput
from replications.models.families.gpt2 import gpt2_config
from replications.models.network import Network
from replications.models.tokenizers import Tokenizer

FILES = ("config.json", "model.safetensors", "tokenizer.json")


def open_folder(folder: Path) -> tuple[Network, Tokenizer]:
    """The model, in float32 and unprocessed (nothing folded or centred), and its tokenizer.

    Raises BadInput if a file is missing or is not what its name says, and Unsupported for options
    of the configuration that are not known here.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise BadInput(
            f"{folder} lacks {', '.join(missing)}; write the folder with save_pretrained of a "
            "GPT-2 from transformers, and with that of its fast tokenizer"
        )
    path = folder / FILES[0]
    config = gpt2_config(files.read_text(path), str(path))
    try:
        weights = safetensors.torch.load_file(folder / FILES[1])
    except (OSError, safetensors.SafetensorError) as exc:
        raise BadInput(f"{folder / FILES[1]} is not a whole safetensors file: {exc}") from exc
    wide = {name: value.float() for name, value in weights.items()}
    tokenizer = Tokenizer.from_json((folder / FILES[2]).read_bytes())
    return Network.from_hf_gpt2(wide, config), tokenizer
