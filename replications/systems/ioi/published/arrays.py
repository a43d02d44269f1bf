"""The published figures, by notebook and name: `figure("exploratory/resid_pre")`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from replications.analysis.published import Figure, read
from replications.errors import BadInput


@cache
def figures() -> Mapping[str, Figure]:
    """Every figure, by "notebook/name"."""
    files = sorted(Path(__file__).parent.glob("*.json"))
    return {f"{file.stem}/{name}": found for file in files for name, found in read(file).items()}


def figure(key: str) -> Figure:
    """One figure. Raises BadInput for a key that there is not."""
    if key not in figures():
        raise BadInput(f"no published figure {key!r}; there are: {', '.join(figures())}")
    return figures()[key]


def count() -> int:
    """How many published numbers there are in all figures."""
    return sum(map(len, figures().values()))
