"""A model folder as `save_pretrained` of Hugging Face's transformers writes it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from replications.errors import BadInput
from replications.models import checkpoint
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

    Raises BadInput if a file is missing or is not what its name says, or contradicts the
    configuration, and Unsupported for a kind of model, or an option of its configuration, that is
    not known here.
    """
    settings = checkpoint.read_config(path)
    config = gpt2_config(json.dumps(settings), str(path / checkpoint.CONFIG))
    weights = _without_prefix(checkpoint.read_weights(path))
    used = [name for name in weights if _is_parameter(name, config.n_layer)]
    unused = tuple(n for n in weights if n not in used and not _is_buffer(n, config.n_layer))
    if "wte.weight" in weights:
        tied = bool(config.tie_word_embeddings)
        checkpoint.check_head(weights, "lm_head.weight", "wte.weight", tied=tied)
    wide = checkpoint.widened({name: weights[name] for name in used})
    checkpoint.check_finite(wide, used)
    return Folder(Network.from_hf_gpt2(wide, config), settings, unused, "gpt2")


LAYERED = re.compile(r"h\.(\d+)\.(.+)")
MODULES = ("ln_1", "ln_2", "attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
BEYOND = ("wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias", "lm_head.weight")


def _without_prefix(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names without "transformer."; BadInput for a tensor that is there with and without it."""
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        bare = name.removeprefix("transformer.")
        if bare in found:
            raise BadInput(f"the file has {bare} twice, with and without 'transformer.' before it")
        found[bare] = value
    return found


def _is_parameter(name: str, layers: int) -> bool:
    inside = LAYERED.fullmatch(name)
    if inside is None:
        return name in BEYOND
    module, _, part = inside[2].rpartition(".")
    return int(inside[1]) < layers and module in MODULES and part in ("weight", "bias")


def _is_buffer(name: str, layers: int) -> bool:
    """Causal masks, which older versions of transformers saved."""
    inside = LAYERED.fullmatch(name)
    masks = ("attn.bias", "attn.masked_bias")
    return inside is not None and int(inside[1]) < layers and inside[2] in masks
