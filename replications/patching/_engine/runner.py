"""Chunks of patched runs through the layers, and their results put in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from replications.patching._engine.forward import Forward
from replications.patching._engine.gemm import Packed
from replications.patching._engine.plan import Planner
from replications.patching._engine.problem import (
    Ints,
    Runs,
    Sites,
    Texts,
    as_tensor,
    chunks,
    needed,
)
from replications.patching._engine.steps import Plan


class Found(NamedTuple):
    """A number (or one for each answer) for every site and example, and for the unpatched runs."""

    values: Tensor
    """[site batch …]"""
    receiver: Tensor
    """[batch …]"""
    donor: Tensor


class Runner:
    """One sweep: the network, the prompts and the sites.  `flops` counts what was computed."""

    def __init__(
        self,
        packed: Packed,
        texts: Texts,
        table: Sites,
        *,
        memory_mb: float,
        progress: Callable[[int, int], None] | None = None,
        one_call: bool | None = None,
    ) -> None:
        self._forward = Forward(packed)
        self._network = packed.network
        self._W_U_columns = packed.W_U_columns
        self._texts = texts
        self._table = table
        self._runs = needed(table, texts, packed.network.shape.n_layers)
        self._budget = memory_mb * 2**20 / packed.network.W_E.element_size()
        self._progress = progress
        on_cpu = packed.network.device.type == "cpu"
        self._one_call = not on_cpu if one_call is None else one_call

    @property
    def flops(self) -> int:
        return self._forward.flops

    def answers(self, answers: Tensor) -> Found:
        """Logits of each example's own answers [batch answer] at its metric position."""
        columns, biases = self._W_U_columns[answers], self._network.b_U[answers]
        values, receiver, donor = (
            biases.new_empty(n, *answers.shape) for n in (len(self._table), 1, 1)
        )
        skipped = torch.ones(values.shape[:2], dtype=torch.bool, device=values.device)
        for examples, runs, plan in self._plans():
            x = self._forward.stream(plan)
            rows = np.concatenate([plan.receiver_rows, plan.donor_rows, plan.rows_of])[:, 0]
            whose = self._rows(np.concatenate([examples, examples, examples[runs.example]]))
            x = x.index_select(0, self._rows(rows))
            logits = self._forward.answers(x, columns[whose], biases[whose])
            n = len(examples)
            receiver[0, whose[:n]], donor[0, whose[:n]] = logits[:n], logits[n : 2 * n]
            values[self._rows(runs.site), whose[2 * n :]] = logits[2 * n :]
            skipped[self._rows(runs.site), whose[2 * n :]] = False
        return Found(torch.where(skipped[..., None], receiver, values), receiver[0], donor[0])

    def metric(self, metric: Callable[[Tensor], Tensor]) -> Found:
        """A function of the logits [batch pos d_vocab_out] of the whole batch."""
        values: list[Tensor | None] = [None] * len(self._table)
        receiver = donor = None
        for _, runs, plan in self._plans():
            logits = self._forward.logits(self._forward.stream(plan))
            base = logits[self._rows(plan.receiver_rows)]
            if receiver is None:
                receiver = metric(base.clone())
                donor = metric(logits[self._rows(plan.donor_rows)])
            for site in np.unique(runs.site):
                mine = np.flatnonzero(runs.site == site)
                patched = base.clone()
                patched[self._rows(runs.example[mine])] = logits[self._rows(plan.rows_of[mine])]
                values[site] = metric(patched)
        assert receiver is not None
        assert donor is not None
        filled = [receiver if value is None else value for value in values]
        return Found(torch.stack(filled), receiver, donor)

    # ---------------------------------------------------------------- chunks
    def _plans(self) -> Iterator[tuple[Ints, Runs, Plan]]:
        """Examples, runs (which count these examples) and plan of each chunk."""
        shape, done = self._network.shape, 0
        base = self._size(np.zeros_like(self._texts.stop), self._texts.stop)
        base = base + self._size(np.minimum(self._texts.first, self._texts.stop), self._texts.stop)
        sizes = self._size(self._runs.start, self._runs.stop)
        parts = chunks(
            self._texts, self._runs, sizes, base, self._budget, by_site=self._texts.whole
        )
        for examples, runs in parts:
            local = Runs(runs.site, np.searchsorted(examples, runs.example), runs.start, runs.stop)
            planner = Planner(
                self._texts.take(examples), self._table, local, shape.n_layers, shape.n_heads,
                one_call=self._one_call,
            )  # fmt: skip
            yield examples, local, planner.plan()
            done += len(runs)
            if self._progress is not None:
                self._progress(done, len(self._runs))

    def _size(self, start: Ints, stop: Ints) -> Ints:
        """Numbers held at a time for runs of these windows."""
        s = self._network.shape
        heads = s.n_heads * s.d_head
        row = 4 * s.d_model + 4 * heads + s.d_vocab_out * self._texts.whole
        if self._network.device.type != "cpu":
            row += s.d_mlp
        return (stop - start) * row + 2 * heads * stop

    def _rows(self, rows: Ints) -> Tensor:
        return as_tensor(rows, self._network.device)
