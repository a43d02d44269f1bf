"""The parts of the construction, and the heads that remain without one of them."""

from __future__ import annotations

from collections.abc import Mapping

from replications.errors import BadInput
from replications.models import Head
from replications.systems.ioi.construction.heads import (
    BACKUPS,
    BALLAST,
    ROLES,
    Wiring,
    wiring,
)

HEADS: Mapping[str, tuple[Head, ...]] = {
    "previous-token heads": ROLES.previous,
    "duplicate-token heads": ROLES.duplicate,
    "induction heads": ROLES.induction,
    "fuzzy induction heads": ROLES.fuzzy,
    "S-inhibition heads": ROLES.s_inhibition,
    "name mover": (ROLES.name_mover,),
    "backups": tuple(BACKUPS),
    "negative heads": ROLES.negative,
    "ballast": (BALLAST,),
}
"""Parts that are heads."""
PARTS = (*HEADS, "position signal", "token signal")
"""Every part that can be left out. The signals are what the S-inhibition heads write."""


def without(part: str) -> dict[Head, Wiring]:
    """The heads of the construction without one of `PARTS`; BadInput for another name."""
    if part == "position signal":
        return wiring(position=0.0)
    if part == "token signal":
        return wiring(token=0.0)
    if part not in HEADS:
        raise BadInput(f"unknown part {part!r} of the construction; there are: {', '.join(PARTS)}")
    return {head: does for head, does in wiring().items() if head not in HEADS[part]}
