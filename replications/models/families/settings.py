"""The settings of a `config.json`, read with the defaults of their family."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from replications.errors import BadInput, Unsupported

ACTIVATION_NAMES = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
    "silu": "silu",
    "swish": "silu",
}
"""What transformers calls an activation function -> what it is called here."""


class Settings:
    """What a configuration says; files leave out what is the default of their family."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    @classmethod
    def of(cls, config: Any) -> Settings:
        """Of a mapping, or of a configuration object of transformers."""
        if isinstance(config, Settings):
            return config
        return cls(config if isinstance(config, Mapping) else config.to_dict())

    @classmethod
    def parse(cls, content: bytes | str, name: str) -> Settings:
        """Of a JSON text, called `name` in errors. Raises BadInput if it is no JSON object."""
        try:
            values = json.loads(content)
        except ValueError as exc:
            raise BadInput(f"cannot read {name} as JSON: {exc}") from exc
        if not isinstance(values, dict):
            raise BadInput(f"{name} is not the configuration of a model: it is no JSON object")
        return cls(values)

    @property
    def family(self) -> str | None:
        """What the configuration calls its kind of model."""
        return self.values.get("model_type")

    def get(self, key: str, default: Any = None) -> Any:
        """A setting, or its default if the configuration does not name it."""
        return self.values.get(key, default)

    def size(self, key: str, default: int | None = None) -> int:
        """A number of at least 1. Raises BadInput for anything else, or if there is none."""
        found = self.values.get(key)
        found = default if found is None else found
        if isinstance(found, bool) or not isinstance(found, int) or found < 1:
            raise BadInput(f"config.json: {key} is {found!r}, not a number from 1 on")
        return found

    def cap(self, key: str, default: float | None = None) -> float | None:
        """A soft cap. Raises BadInput unless it is a number above 0 or null."""
        found = self.get(key, default)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or not found > 0:
            raise BadInput(f"config.json: {key} is {found!r}, not a number above 0")
        return float(found)

    def activation(self, key: str, default: str) -> str:
        """The name of the activation function. Raises Unsupported for one not known here."""
        found = self.get(key, default)
        if found not in ACTIVATION_NAMES:
            raise Unsupported(f"{key} {found!r} is not known here")
        return ACTIVATION_NAMES[found]

    def refuse(self, key: str, *usual: Any, because: str = "") -> None:
        """Raises Unsupported if a setting is none of the `usual` values."""
        found = self.get(key, usual[0])
        if found not in usual:
            reason = because or f"{key}={found!r}"
            raise Unsupported(f"this {self.family} has {reason}, which is not known here")
