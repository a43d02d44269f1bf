"""Measurements of published interpretability findings, and the words in which they are claimed.

>>> from replications import brackets                                          # doctest: +SKIP
>>> brackets.subject("arena").elevation_head.bracket_cosine                     # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replications.systems import algorithmic, brackets, ioi, list_update, name_recall

__all__ = ["__version__", "algorithmic", "brackets", "ioi", "list_update", "name_recall"]

__version__ = "0.2.0"
"""Said here alone: the package, CITATION.cff and CHANGELOG.md are compared with it by a test."""


def __getattr__(name: str) -> Any:
    """The module of a system, imported when it is first asked for."""
    if name in __all__:
        return import_module(f"replications.systems.{name}")
    raise AttributeError(f"module 'replications' has no attribute {name!r}")
