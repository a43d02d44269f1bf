"""Checks that the recipes of all systems make."""

from __future__ import annotations

import math
from collections.abc import Iterable

from replications.errors import BadInput


def check(
    recipe: object,
    *,
    positive: Iterable[str] = (),
    at_least_0: Iterable[str] = (),
    below_1: Iterable[str] = (),
) -> None:
    """Raise BadInput for the first of these fields whose value makes no sense.

    Every field is finite; those of `below_1` are at least 0 too.
    """
    for name in positive:
        if not 0 < getattr(recipe, name) < math.inf:
            raise BadInput(f"{name} must be positive and finite, not {getattr(recipe, name)}")
    for name in at_least_0:
        if not 0 <= getattr(recipe, name) < math.inf:
            raise BadInput(f"{name} must be finite and at least 0, not {getattr(recipe, name)}")
    for name in below_1:
        if not 0 <= getattr(recipe, name) < 1:
            raise BadInput(f"{name} must be at least 0 and below 1, not {getattr(recipe, name)}")
