"""Measurements of published interpretability findings, and the words in which they are claimed.

>>> from replications import brackets                                          # doctest: +SKIP
>>> brackets.subject("arena").elevation_head.bracket_cosine                     # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replications.systems import algorithmic, brackets, ioi, list_update, name_recall

    __version__: str

__all__ = ["__version__", "algorithmic", "brackets", "ioi", "list_update", "name_recall"]


def __getattr__(name: str) -> Any:
    """The version, or the module of a system, which is imported when it is first asked for."""
    if name == "__version__":
        return _version()
    if name in __all__:
        return import_module(f"replications.systems.{name}")
    raise AttributeError(f"module 'replications' has no attribute {name!r}")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("interp-claims")
    except PackageNotFoundError:  # used from a checkout that was never installed
        return "0+unknown"
