"""What one pass through the layers does with its rows, written down before it runs.

Nothing here touches an activation. Rows are counted from 0 in the matrix they index.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Generic

import numpy as np
import torch
from torch import Tensor

from replications.patching._engine.attention_batches import A, Array, AttentionBatch
from replications.patching._engine.problem import Ints

NONE: Ints = np.zeros(0, dtype=np.int64)


def _none() -> Any:
    return NONE


@dataclass
class LayerStep(Generic[A]):
    """One layer."""

    positions: A
    """The position of every row that enters the layer."""
    query_rows: A | None = None
    """The rows whose queries are needed, None for all. The queries of the batches are then
    numbered in this selection."""
    batches: list[AttentionBatch[A]] = field(default_factory=list)
    """Attention of all heads, of every run."""
    unpatched_batches: int = 0
    """How many batches, from the first on, belong to the unpatched runs."""
    changed: A = field(default_factory=_none)
    """For each entering row with changed heads: the row of z that it starts from."""
    swap: tuple[A, A, A] = field(default_factory=lambda: (_none(), _none(), _none()))
    """Three columns: in which of the `changed` rows, which head takes its z from which row."""
    head_batches: list[tuple[AttentionBatch[A], A]] = field(default_factory=list)
    """Attention of single heads, whose rows are *head rows*: row times n_heads plus head. With the
    head row of `changed` that each query's result goes to."""
    residual: A = field(default_factory=_none)
    """For each row after attention: the row of the stream that the attention is added to."""
    mid: A = field(default_factory=_none)
    """Rows after attention that enter once more, as resid_mid of patched runs."""
    mlp_reads: A = field(default_factory=_none)
    """Where the MLP reads what attention reads: the rows of the stream before it that it reads."""
    mlp_of: A = field(default_factory=_none)
    """The same: for each row after attention, which of these it gets the MLP's output of."""
    mlp: tuple[A, A] = field(default_factory=lambda: (_none(), _none()))
    """For each row that enters after the MLP: the row after attention that it starts from, and the
    row whose mlp_out is added."""
    copied: A = field(default_factory=_none)
    """Rows after the layer that enter once more, as the next layer's resid_pre."""


@dataclass(frozen=True)
class Plan(Generic[A]):
    """One pass: its first rows, its layers, and where the results are.

    It knows where tokens are, and not which: prompts of one structure have one plan.
    """

    tokens: A
    """Where the token of each first row is among those of all base prompts, then all source
    prompts, one after the other"""
    positions: A
    copied: A
    """Rows of the embedding that enter once more."""
    steps: list[LayerStep[A]]
    patched_rows: A
    """The last stream's row of each patched run, in the order of the runs: [run position]"""
    base_rows: A
    """The last stream's rows of the base runs: [example position]"""
    source_rows: A
    """The last stream's rows of the source runs: [example position]"""


def placed(plan: Plan[Array], device: torch.device) -> tuple[Plan[Tensor], int]:
    """The plan with its numbers on a device, where a pass uses them, and how many bytes they take.

    >>> batch = AttentionBatch[Array](np.array([[7]]), NONE, NONE, None, 1)
    >>> step = LayerStep[Array](NONE, batches=[batch])
    >>> there, size = placed(Plan(*[NONE] * 3, [step], *[NONE] * 3), torch.device("cpu"))
    >>> [batch] = there.steps[0].batches
    >>> batch.queries, batch.keys is batch.values, size
    (tensor([[7]]), True, 8)
    """
    made: dict[int, Tensor] = {}

    def move(numbers: Array) -> Tensor:
        # One array in two places stays one: keys and values may have the same rows.
        if id(numbers) not in made:
            made[id(numbers)] = torch.from_numpy(np.ascontiguousarray(numbers)).to(device)
        return made[id(numbers)]

    moved: Plan[Tensor] = _moved(plan, move)
    return moved, sum(tensor.nbytes for tensor in made.values())


def _moved(part: Any, move: Callable[[Array], Tensor]) -> Any:
    if isinstance(part, np.ndarray):
        return move(part)
    if isinstance(part, (list, tuple)):
        return type(part)(_moved(each, move) for each in part)
    if is_dataclass(part) and not isinstance(part, type):
        return replace(part, **{f.name: _moved(getattr(part, f.name), move) for f in fields(part)})
    return part
