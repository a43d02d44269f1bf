"""Rotary positions as configurations describe them, before and since transformers 5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from replications.errors import BadInput, Unsupported
from replications.models.families.settings import Settings
from replications.models.rotary import Rotary, Stretch


def rotary(
    settings: Settings,
    d_head: int,
    *,
    base: str = "rope_theta",
    share: str = "partial_rotary_factor",
    default_share: float = 1.0,
    default_base: float = 10_000.0,
) -> Rotary:
    """The rotations of every layer; `base` and `share` are the names of settings.

    Raises Unsupported for a kind of scaling that is not known here.
    """
    found = settings.get("rope_scaling") or settings.get("rope_parameters") or {}
    given = {
        "rope_theta": settings.get(base, default_base),
        "partial_rotary_factor": settings.get(share, default_share),
    }
    return from_parameters(given | dict(found), d_head)


def from_parameters(given: Mapping[str, Any], d_head: int) -> Rotary:
    """Of one dictionary of `rope_parameters`. Raises Unsupported for an unknown `rope_type`."""
    kind = given.get("rope_type", given.get("type", "default"))
    if kind not in ("default", "linear", "llama3"):
        raise Unsupported(
            f"rotary positions of type {kind!r} are not known here; default, linear and llama3 are"
        )

    def number(name: str) -> float:
        if not isinstance(given.get(name), int | float):
            raise BadInput(f"config.json: rotary positions of type {kind!r} need {name}")
        return float(given[name])

    width = int(d_head * number("partial_rotary_factor")) if _partial(given) else d_head
    stretch = None
    if kind == "llama3":
        stretch = Stretch(
            number("factor"), number("low_freq_factor"), number("high_freq_factor"),
            int(number("original_max_position_embeddings")),
        )  # fmt: skip
    return Rotary(
        width, number("rope_theta"), number("factor") if kind == "linear" else 1.0, stretch
    )


def _partial(given: Mapping[str, Any]) -> bool:
    return given.get("partial_rotary_factor") is not None
