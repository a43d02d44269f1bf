"""A model folder as `save_pretrained` of Hugging Face's transformers writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from replications.errors import BadInput, ReplicationError, Unsupported
from replications.models import checkpoint
from replications.models.families import FAMILIES
from replications.models.families.settings import Settings
from replications.models.families.tensors import Tensors
from replications.models.network import Network
from replications.models.shape import Shape


@dataclass(frozen=True, eq=False)
class Folder:
    """A model that was read from a folder, with what the folder says about it."""

    network: Network
    """Unprocessed: nothing folded or centred, but for what `read` says."""
    config: dict[str, Any]
    """The content of config.json"""
    unused: tuple[str, ...]
    """The tensors of the file that no parameter used, but for buffers that are known to be none"""
    family: str
    """The kind of model, as `model_type` of config.json calls it"""

    @property
    def shape(self) -> Shape:
        """The architecture."""
        return self.network.shape


def open_folder(path: Path, dtype: torch.dtype = torch.float32) -> Folder:
    """Read config.json and the safetensors, whole or in shards, of a folder.

    Raises BadInput if a file is missing or is not what its name says, contradicts the configuration
    or has a value that is not finite, and Unsupported for a kind of model, or an option of its
    configuration, that is not known here.
    """
    settings = checkpoint.read_json(path / checkpoint.CONFIG)
    stored: dict[str, Tensor] = {}

    def weights() -> dict[str, Tensor]:
        stored.update(checkpoint.read_weights(path))
        return stored

    try:
        network, unused = read(settings, weights, dtype)
    except ReplicationError:
        raise
    except (TypeError, ValueError, RuntimeError) as exc:  # a setting of another kind, or size
        raise BadInput(f"{path / checkpoint.CONFIG} does not fit the weights: {exc}") from exc
    checkpoint.check_finite(stored, unused)
    return Folder(network, settings, unused, str(settings["model_type"]))


def from_pretrained(model: Any, dtype: torch.dtype | None = None) -> Network:
    """The network of a model of transformers that is in memory, in its own precision by default.

    Raises BadInput and Unsupported as `open_folder`.
    """
    return read(model.config.to_dict(), model.state_dict, dtype)[0]


def read(
    config: Mapping[str, Any], weights: Any, dtype: torch.dtype | None = None
) -> tuple[Network, tuple[str, ...]]:
    """The network of a configuration and weights, and the names of tensors that were not used.

    `weights` is called for tensors by name once the configuration was understood. The factor of
    scaled embeddings is part of W_E, and norms that multiply by 1 + w have it as their w.
    """
    settings = Settings.of(config)
    if settings.family not in FAMILIES:
        raise Unsupported(
            f"models of type {settings.family!r} are not known here; known are "
            f"{', '.join(FAMILIES)}"
        )
    settings.refuse("quantization_config", None, because="quantised weights")
    family = FAMILIES[settings.family]
    shape = family.shape(settings)
    tensors = Tensors(weights(), family.prefix, family.buffers, dtype)
    parameters = family.parameters(tensors, shape, settings)
    network = Network.from_state_dict(shape, parameters)
    return replace(network, eps=float(settings.get(*family.eps))), tensors.unused
