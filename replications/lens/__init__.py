"""The only door to TransformerLens: one interface, a backend for each kind of model it has had.

`open_lens` opens weights of your own, `open_pretrained` a published model. A `Lens` runs prompts,
reads activations and edits them, with the same meaning on every supported version.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from replications.fixtures import PRETRAINED

if TYPE_CHECKING:
    from replications.lens.base import Lens, Read, Run, Soundness, Weights
    from replications.lens.networks import as_network
    from replications.lens.opening import open_lens, open_pretrained

__all__ = [
    "PRETRAINED",
    "Lens",
    "Read",
    "Run",
    "Soundness",
    "Weights",
    "as_network",
    "open_lens",
    "open_pretrained",
]

_PROVIDED = {
    "base": ("Lens", "Read", "Run", "Soundness", "Weights"),
    "networks": ("as_network",),
    "opening": ("open_lens", "open_pretrained"),
}


def _on_demand(name: str) -> Any:
    """A name from its module, imported when it is first asked for: only `lines` needs no torch."""
    for module, names in _PROVIDED.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if not TYPE_CHECKING:  # a type checker knows the imports above, and no other name
    __getattr__ = _on_demand
