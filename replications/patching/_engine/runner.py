"""Chunks of patched runs through the layers, and their results put in order."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from replications.patching._engine import chunks
from replications.patching._engine.forward import Forward
from replications.patching._engine.gemm import Packed
from replications.patching._engine.kept import Chunk
from replications.patching._engine.plan import Planner
from replications.patching._engine.problem import (
    Ints,
    PatchTable,
    PromptPairs,
    as_tensor,
    needed,
)
from replications.patching._engine.replay import Replay
from replications.patching._engine.steps import placed


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

    `flops` counts what was computed. `one_call`: see `Planner`; by default on GPUs only. With
    `graphs` a pass that was made before is recorded on a GPU, and then repeated as a CUDA graph.
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
        graphs: bool = False,
    ) -> None:
        self._packed = packed
        self._forward = Forward(packed)
        self._network = packed.network
        self._W_U_columns = packed.W_U_columns
        self._prompts = prompts
        self._patches = patches
        self._runs = needed(patches, prompts, packed.network.shape.n_layers)
        self._budget = budget
        self._progress = progress
        device = packed.network.device.type
        self._one_call = device != "cpu" if one_call is None else one_call
        self._graphs = graphs and device == "cuda"

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
        for chunk in self._chunks():
            rows, whose, patch = chunk.read
            x = self._stream(chunk).index_select(0, rows)
            logits = self._forward.answers(x, columns[whose], biases[whose])
            n = len(chunk.examples)
            base[0, whose[:n]], source[0, whose[:n]] = logits[:n], logits[n : 2 * n]
            values[patch, whose[2 * n :]] = logits[2 * n :]
            skipped[patch, whose[2 * n :]] = False
        return SweepValues(torch.where(skipped[..., None], base, values), base[0], source[0])

    def metric(self, metric: Callable[[Tensor], Tensor]) -> SweepValues:
        """A function of the logits [batch pos d_vocab_out] of the whole batch."""
        values: list[Tensor | None] = [None] * len(self._patches)
        base = source = None
        for chunk in self._chunks():
            runs, plan = chunk.runs, chunk.plan
            logits = self._forward.logits(self._stream(chunk))
            unpatched = logits[plan.base_rows]
            if base is None:
                base = metric(unpatched.clone())
                source = metric(logits[plan.source_rows])
            for patch in np.unique(runs.patch):
                mine = np.flatnonzero(runs.patch == patch)
                patched = unpatched.clone()
                patched[self._rows(runs.example[mine])] = logits[
                    plan.patched_rows[self._rows(mine)]
                ]
                values[patch] = metric(patched)
        assert base is not None
        assert source is not None
        filled = [base if value is None else value for value in values]
        return SweepValues(torch.stack(filled), base, source)

    # ---------------------------------------------------------------- chunks
    def _stream(self, chunk: Chunk) -> Tensor:
        """The last stream of a chunk."""
        p, forward = self._prompts, self._forward
        tokens = self._rows(np.concatenate([p.base[chunk.examples], p.source[chunk.examples]]))
        tokens = tokens.flatten()
        if not (self._graphs and chunk.alone):
            before = forward.flops
            found = forward.stream(chunk.plan, tokens)
            chunk.flops = forward.flops - before
            return found
        if chunk.replay is None:
            recording = Forward(self._packed)  # what it counts is not computed
            chunk.replay = Replay(lambda given: recording.stream(chunk.plan, given), tokens)
        forward.flops += chunk.flops
        return chunk.replay(tokens)

    def _chunks(self) -> Iterator[Chunk]:
        done = 0
        for chunk in self._packed.plans.chunks(self._key(), self._planned):
            yield chunk
            done += len(chunk.runs)
            if self._progress is not None:
                self._progress(done, len(self._runs))

    def _key(self) -> Hashable:
        """What the chunks and the way they are computed depend on, beside the network."""
        return (
            self._prompts.structure, self._patches.key, self._budget, self._one_call,
            self._graphs and torch.get_float32_matmul_precision(),
        )  # fmt: skip

    def _planned(self) -> Iterator[Chunk]:
        prompts, device = self._prompts, self._network.device
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
            plan, size = placed(planner.plan(), device)
            yield Chunk(examples, local, plan, size)

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
