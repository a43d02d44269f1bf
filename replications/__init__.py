"""Measurements of published interpretability findings, and the words in which they are claimed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("interp-claims")
except PackageNotFoundError:  # used from a checkout that was never installed
    __version__ = "0+unknown"
