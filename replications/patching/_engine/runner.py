"""Chunks of patched runs through the layers, and their results put in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from replications.patching._engine import chunks
from replications.patching._engine.forward import Forward
from replications.patching._engine.gemm import Packed
from replications.patching._engine.plan import Planner
from replications.patching._engine.problem import (
    Ints,
    PatchedRuns,
    PatchTable,
    PromptPairs,
    as_tensor,
    needed,
)
from replications.patching._engine.steps import Plan


class SweepValues(NamedTuple):
    """A metric, or answers' logits, for every patch and example, and for the unpatched runs."""

    values: Tensor
    """[patch batch …]"""
    base: Tensor
    """[batch …]"""
    source: Tensor
    """[batch …]"""


class Runner:
    """One sweep of the patches in a table, which holds about `budget` numbers at a time.

    `flops` counts what was computed. `one_call`: see `Planner`; by default on GPUs only.
    """

    def __init__(
        self,
        packed: Packed,
        prompts: PromptPairs,
        patches: PatchTable,
        *,
        budget: int,
        progress: Callable[[int, int], None] | None = None,
        one_call: bool | None = None,
    ) -> None:
        self._forward = Forward(packed)
        self._network = packed.network
        self._W_U_columns = packed.W_U_columns
        self._prompts = prompts
        self._patches = patches
        self._runs = needed(patches, prompts, packed.network.shape.n_layers)
        self._budget = budget
        self._progress = progress
        on_cpu = packed.network.device.type == "cpu"
        self._one_call = not on_cpu if one_call is None else one_call

    @property
    def flops(self) -> int:
        return self._forward.flops

    def answers(self, answers: Tensor) -> SweepValues:
        """Logits of each example's own answers [batch answer] at its metric position."""
        columns, biases = self._W_U_columns[answers], self._network.b_U[answers]
        values, base, source = (
            biases.new_empty(n, *answers.shape) for n in (len(self._patches), 1, 1)
        )
        skipped = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
        for examples, runs, plan in self._plans():
            x = self._forward.stream(plan)
            rows = np.concatenate([plan.base_rows, plan.source_rows, plan.patched_rows])[:, 0]
            whose = self._rows(np.concatenate([examples, examples, examples[runs.example]]))
            x = x.index_select(0, self._rows(rows))
            logits = self._forward.answers(x, columns[whose], biases[whose])
            n = len(examples)
            base[0, whose[:n]], source[0, whose[:n]] = logits[:n], logits[n : 2 * n]
            values[self._rows(runs.patch), whose[2 * n :]] = logits[2 * n :]
            skipped[self._rows(runs.patch), whose[2 * n :]] = False
        return SweepValues(torch.where(skipped[..., None], base, values), base[0], source[0])

    def metric(self, metric: Callable[[Tensor], Tensor]) -> SweepValues:
        """A function of the logits [batch pos d_vocab_out] of the whole batch."""
        values: list[Tensor | None] = [None] * len(self._patches)
        base = source = None
        for _, runs, plan in self._plans():
            logits = self._forward.logits(self._forward.stream(plan))
            unpatched = logits[self._rows(plan.base_rows)]
            if base is None:
                base = metric(unpatched.clone())
                source = metric(logits[self._rows(plan.source_rows)])
            for patch in np.unique(runs.patch):
                mine = np.flatnonzero(runs.patch == patch)
                patched = unpatched.clone()
                patched[self._rows(runs.example[mine])] = logits[
                    self._rows(plan.patched_rows[mine])
                ]
                values[patch] = metric(patched)
        assert base is not None
        assert source is not None
        filled = [base if value is None else value for value in values]
        return SweepValues(torch.stack(filled), base, source)

    # ---------------------------------------------------------------- chunks
    def _plans(self) -> Iterator[tuple[Ints, PatchedRuns, Plan]]:
        """For each chunk its examples, its runs (which number these examples) and its plan."""
        prompts, done = self._prompts, 0
        stop = prompts.stop
        unpatched = self._size(np.zeros_like(stop), stop)
        unpatched = unpatched + self._size(np.minimum(prompts.first, stop), stop)
        sizes = chunks.Sizes(self._size(self._runs.start, self._runs.stop), unpatched)
        split = chunks.by_patch if prompts.whole else chunks.by_example
        for examples, runs in split(self._runs, sizes, self._budget):
            local = replace(runs, example=np.searchsorted(examples, runs.example))
            planner = Planner(
                prompts.take(examples), self._patches, local, self._network.shape,
                one_call=self._one_call,
            )  # fmt: skip
            yield examples, local, planner.plan()
            done += len(runs)
            if self._progress is not None:
                self._progress(done, len(self._runs))

    def _size(self, start: Ints, stop: Ints) -> Ints:
        """How many numbers are held at a time for runs of these windows."""
        s = self._network.shape
        heads = s.n_heads * s.d_head
        row = 4 * s.d_model + 4 * heads + s.d_vocab_out * self._prompts.whole
        if self._network.device.type != "cpu":
            row += s.d_mlp
        return (stop - start) * row + 2 * heads * stop

    def _rows(self, rows: Ints) -> Tensor:
        return as_tensor(rows, self._network.device)
