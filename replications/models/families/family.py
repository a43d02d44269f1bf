"""What a family of models needs to be read: its architecture, and where its weights are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from replications.models.families.settings import Settings
from replications.models.families.tensors import Tensors
from replications.models.shape import Shape


@dataclass(frozen=True)
class Family:
    """One kind of model of Hugging Face's transformers."""

    name: str
    """Its `model_type`"""
    prefix: str
    """What the names of its tensors begin with in a file with a head"""
    shape: Callable[[Settings], Shape]
    parameters: Callable[[Tensors, Shape, Settings], dict[str, Tensor]]
    """Weights under the names of `models.parameters.network_fields`"""
    eps: tuple[str, float]
    """The setting for what norms add to the variance, and its default"""
    buffers: str | None = r"rotary_emb\.inv_freq$"
    """A pattern of the names of tensors that are no parameters"""
