"""Plans of the last sweeps, for those that come with prompts and patches of the same structure.

A plan depends on where the prompts differ and where the metric is read, and not on their tokens.
Making it takes as long as a tenth of the arithmetic of a small sweep on a processor, and far longer
than the arithmetic on a GPU.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from replications.patching._engine.problem import Ints, PatchedRuns, as_tensor
from replications.patching._engine.replay import Replay
from replications.patching._engine.steps import Plan

MOST = 8
"""Sweeps whose plans are kept."""
LARGEST = 32 * 2**20
"""A sweep whose plans take more bytes is planned anew each time."""


@dataclass
class Chunk:
    """Runs that go through the layers together. Examples in `runs` are numbered in `examples`."""

    examples: Ints
    runs: PatchedRuns
    plan: Plan[Tensor]
    size: int
    """Of the plan, in bytes"""
    flops: int = 0
    """Of its pass, once it was made"""
    alone: bool = False
    """Whether it is kept, as the only chunk of its sweep"""
    replay: Replay | None = None
    """Its pass as one CUDA graph"""

    @cached_property
    def read(self) -> tuple[Tensor, Tensor, Tensor]:
        """For base, source and patched runs: the row that is read, of which example; the patches.

        For plans that end with one position of each run.
        """
        plan, device = self.plan, self.plan.base_rows.device
        whose = np.concatenate([self.examples, self.examples, self.examples[self.runs.example]])
        rows = [part[:, 0] for part in (plan.base_rows, plan.source_rows, plan.patched_rows)]
        return torch.cat(rows), as_tensor(whose, device), as_tensor(self.runs.patch, device)


class KeptPlans:
    """The chunks of the last sweeps on one network, the oldest first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, list[Chunk]] = OrderedDict()

    def chunks(self, key: Hashable, make: Callable[[], Iterable[Chunk]]) -> Iterator[Chunk]:
        """The chunks that are kept under a key, or those that `make` gives, which are kept then."""
        if key in self._kept:
            self._kept.move_to_end(key)
            yield from self._kept[key]
            return
        made: list[Chunk] = []
        size = 0
        for chunk in make():
            size += chunk.size
            if size <= LARGEST:
                made.append(chunk)
            else:
                made.clear()
            yield chunk
        if made:
            made[0].alone = len(made) == 1
            self._kept[key] = made
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)
