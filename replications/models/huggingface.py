"""A model folder as `save_pretrained` of Hugging Face's transformers writes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from replications import files
from replications.errors import BadInput
from replications.models.network import Network
from replications.models.parameters import gpt2_config
from replications.models.shape import Shape


@dataclass(frozen=True, eq=False)
class Folder:
    """A model that was read from a folder, with what the folder says about it."""

    network: Network
    """In float32, unprocessed: nothing folded or centred."""
    config: dict[str, Any]
    """The content of config.json."""
    unused: tuple[str, ...]
    """The tensors of the file that no parameter used, but for buffers that are known to be none."""
    family: str
    """The kind of model, as `model_type` of config.json calls it."""

    @property
    def shape(self) -> Shape:
        """The architecture."""
        return self.network.shape


def open_folder(path: Path) -> Folder:
    """Read config.json and the safetensors of a folder.

    Raises BadInput if a file is missing or is not what its name says, and Unsupported for a kind of
    model, or an option of its configuration, that is not known here.
    """
    content = files.read_text(path / "config.json")
    config = gpt2_config(content, str(path / "config.json"))
    try:
        weights = safetensors.torch.load_file(path / "model.safetensors")
    except (OSError, safetensors.SafetensorError) as exc:
        raise BadInput(f"{path / 'model.safetensors'} is not whole: {exc}") from exc
    wide = {name: value.float() for name, value in weights.items()}
    return Folder(Network.from_hf_gpt2(wide, config), json.loads(content), (), "gpt2")
