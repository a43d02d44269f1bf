"""What one pass through the layers does with its rows, written down before it runs.

Nothing here touches an activation. Rows are counted from 0 in the matrix they index.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from replications.patching._engine.attention_batches import Call
from replications.patching._engine.problem import Ints

NONE = np.zeros(0, dtype=np.int64)


@dataclass
class Step:
    """One layer."""

    positions: Ints
    """Position of every row that enters the layer."""
    asked: Ints | None = None
    """The rows whose queries are needed; None for all. `Call.queries` count from the first."""
    calls: list[Call] = field(default_factory=list)
    base_calls: int = 0
    """How many of them, from the first on, belong to the two unpatched runs."""
    changed: Ints = field(default_factory=lambda: NONE)
    """Entering rows of changed heads: the rows of z they begin as."""
    swap: tuple[Ints, Ints, Ints] = (NONE, NONE, NONE)
    """Which of these rows, in which head, take which row of z"""
    head_calls: list[tuple[Call, Ints]] = field(default_factory=list)
    """Attention of single heads, by row times n_heads plus head; and the same of `changed`, where
    each query's result goes."""
    residual: Ints = field(default_factory=lambda: NONE)
    """The row of the stream that each row after attention adds to."""
    mid: Ints = field(default_factory=lambda: NONE)
    """Rows after attention that enter once more, as resid_mid of patched runs."""
    mlp: tuple[Ints, Ints] = (NONE, NONE)
    """Entering rows: the row after attention they begin as, and the row whose mlp_out is added."""
    copied: Ints = field(default_factory=lambda: NONE)
    """Rows after the layer that enter once more, as the next layer's resid_pre."""


@dataclass(frozen=True)
class Plan:
    """One pass: its first rows, its layers, and where the results are."""

    tokens: Ints
    positions: Ints
    copied: Ints
    """Rows of the embedding that enter once more."""
    steps: list[Step]
    rows_of: Ints
    """[run position]: the last stream's row of each patched run, in the order of the runs …"""
    receiver_rows: Ints
    """[example position]: … and of the two unpatched ones"""
    donor_rows: Ints
