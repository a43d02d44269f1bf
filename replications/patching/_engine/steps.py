"""What one pass through the layers does with its rows, written down before it runs.

Nothing here touches an activation. Rows are counted from 0 in the matrix they index.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from replications.patching._engine.attention_batches import AttentionBatch
from replications.patching._engine.problem import Ints

NONE = np.zeros(0, dtype=np.int64)


@dataclass
class LayerStep:
    """One layer."""

    positions: Ints
    """The position of every row that enters the layer."""
    query_rows: Ints | None = None
    """The rows whose queries are needed, None for all. The queries of the batches are then
    numbered in this selection."""
    batches: list[AttentionBatch] = field(default_factory=list)
    """Attention of all heads, of every run."""
    unpatched_batches: int = 0
    """How many batches, from the first on, belong to the unpatched runs."""
    changed: Ints = field(default_factory=lambda: NONE)
    """For each entering row with changed heads: the row of z that it starts from."""
    swap: tuple[Ints, Ints, Ints] = (NONE, NONE, NONE)
    """Three columns: in which of the `changed` rows, which head takes its z from which row."""
    head_batches: list[tuple[AttentionBatch, Ints]] = field(default_factory=list)
    """Attention of single heads, whose rows are *head rows*: row times n_heads plus head. With the
    head row of `changed` that each query's result goes to."""
    residual: Ints = field(default_factory=lambda: NONE)
    """For each row after attention: the row of the stream that the attention is added to."""
    mid: Ints = field(default_factory=lambda: NONE)
    """Rows after attention that enter once more, as resid_mid of patched runs."""
    mlp_reads: Ints = field(default_factory=lambda: NONE)
    """Where the MLP reads what attention reads: the rows of the stream before it that it reads."""
    mlp_of: Ints = field(default_factory=lambda: NONE)
    """The same: for each row after attention, which of these it gets the MLP's output of."""
    mlp: tuple[Ints, Ints] = (NONE, NONE)
    """For each row that enters after the MLP: the row after attention that it starts from, and the
    row whose mlp_out is added."""
    copied: Ints = field(default_factory=lambda: NONE)
    """Rows after the layer that enter once more, as the next layer's resid_pre."""


@dataclass(frozen=True)
class Plan:
    """One pass: its first rows, its layers, and where the results are."""

    tokens: Ints
    positions: Ints
    copied: Ints
    """Rows of the embedding that enter once more."""
    steps: list[LayerStep]
    patched_rows: Ints
    """The last stream's row of each patched run, in the order of the runs: [run position]"""
    base_rows: Ints
    """The last stream's rows of the base runs: [example position]"""
    source_rows: Ints
    """The last stream's rows of the source runs: [example position]"""
