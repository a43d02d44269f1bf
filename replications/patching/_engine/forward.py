"""One pass of all runs through the layers, as the plan says."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from replications.models.layers import capped
from replications.patching._engine.attention_batches import AttentionBatch
from replications.patching._engine.gemm import Layer, Linear, Packed
from replications.patching._engine.steps import LayerStep, Plan

MLP_ROWS = 512
"""Rows of the MLP at a time on a CPU, so that their hidden layer stays in the cache."""


class Forward:
    """Runs plans on one network. `flops` counts 2 for every multiplication with an addition."""

    def __init__(self, packed: Packed) -> None:
        self._packed = packed
        self._network = packed.network
        self._shape = packed.network.shape
        self.flops = 0

    def stream(self, plan: Plan[Tensor], tokens: Tensor) -> Tensor:
        """The residual stream after the last layer, [row d_model].

        `tokens` are those of all base prompts, then of all source prompts, one after the other.
        """
        n = self._network
        x = n.W_E[tokens[plan.tokens]]
        if self._shape.positions == "standard":
            x = x + n.W_pos[plan.positions]
        x = self._enter(x, plan.copied)
        for i, (layer, step) in enumerate(zip(self._packed.layers, plan.steps, strict=True)):
            x = self._layer(i, layer, step, x)
        return x

    def answers(self, x: Tensor, columns: Tensor, biases: Tensor) -> Tensor:
        """Logits [row answer] of rows x [row d_model], each with columns and biases of its own.

        `columns` are those of W_U, [row answer d_model].
        """
        self.flops += 2 * columns.numel()
        x = self._network.norm("ln_final", None, x)
        logits = torch.einsum("rd,rad->ra", x, columns) + biases
        return capped(logits, self._shape.logit_cap)

    def logits(self, x: Tensor) -> Tensor:
        """All logits [row d_vocab_out] of rows x [row d_model]."""
        n = self._network
        self.flops += 2 * len(x) * n.W_U.numel()
        logits = torch.addmm(n.b_U, n.norm("ln_final", None, x), n.W_U)
        return capped(logits, self._shape.logit_cap)

    # ---------------------------------------------------------------- parts of a layer
    def _layer(self, i: int, layer: Layer, step: LayerStep[Tensor], x: Tensor) -> Tensor:
        """The stream after a layer, with the rows that enter in it."""
        after = self._attention(i, layer, step, x)
        if self._shape.attn_only:
            return self._enter(after, step.copied)
        if self._shape.parallel:
            out = self._mlp(i, layer, self._take(x, step.mlp_reads))
            return self._add(step, after, self._take(out, step.mlp_of))
        after = self._enter(after, step.mid)
        return self._add(step, after, self._mlp(i, layer, after))

    def _attention(self, i: int, layer: Layer, step: LayerStep[Tensor], x: Tensor) -> Tensor:
        """The stream after attention: the rows of `step.residual`, each with its attention."""
        values = self._network.norm("ln1", i, x)
        placed = values
        if self._shape.positions == "shortformer":
            placed = values + self._network.W_pos[step.positions]
        queried = placed if step.query_rows is None else self._take(placed, step.query_rows)
        q, k = self._linear(layer.q, queried), self._linear(layer.k, placed)
        v = self._linear(layer.v, values)
        q, k, v = self._compared(i, step, q, k, v)
        z = [self._attend(i, q, k, v, batch, self._shape.n_heads) for batch in step.batches]
        if len(step.changed):
            unpatched = (
                z[0] if step.unpatched_batches == 1 else torch.cat(z[: step.unpatched_batches])
            )
            z.append(self._changed(i, step, unpatched, q, k, v))
        out = self._linear(layer.o, z[0] if len(z) == 1 else torch.cat(z))
        out = self._network.written("ln1", i, out)
        return out.add_(self._take(x, step.residual))

    def _compared(
        self, i: int, step: LayerStep[Tensor], q: Tensor, k: Tensor, v: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """q and k as scores compare them, and k and v of every head: [row (head d_head)]."""
        shape, n = self._shape, self._network
        if shape.rotary or shape.qk_norm:
            where = step.positions
            asked = where if step.query_rows is None else self._take(where, step.query_rows)
            heads = (-1, shape.d_head)
            q = n.compared("q", i, q.unflatten(1, heads), asked).flatten(1)
            k = n.compared("k", i, k.unflatten(1, heads), where).flatten(1)
        if shape.key_value_heads != shape.n_heads:
            k, v = (n.shared(part.unflatten(1, (-1, shape.d_head))).flatten(1) for part in (k, v))
        return q, k, v

    def _changed(
        self, i: int, step: LayerStep[Tensor], unpatched: Tensor, q: Tensor, k: Tensor, v: Tensor
    ) -> Tensor:
        """Rows of z in which some heads are replaced: [row (head d_head)]."""
        heads, width = self._shape.n_heads, self._shape.d_head
        found = self._take(unpatched, step.changed).view(-1, heads, width)
        into, head, other = step.swap
        found[into, head] = unpatched.view(-1, heads, width)[other, head]
        q, k, v = (part.view(-1, width) for part in (q, k, v))
        flat = found.view(-1, width)
        for batch, places in step.head_batches:
            flat[places.flatten()] = self._attend(i, q, k, v, batch, 1)
        return found.flatten(1)

    def _attend(
        self, i: int, q: Tensor, k: Tensor, v: Tensor, batch: AttentionBatch[Tensor], heads: int
    ) -> Tensor:
        """Attention of the rows of q, k and v that a batch names: [query (head d_head)]."""
        (runs, queries), keys = batch.queries.shape, batch.keys.shape[1]
        self.flops += 4 * batch.pairs * q.shape[1]
        q, k, v = (
            part.index_select(0, rows.flatten()).view(runs, size, heads, -1).transpose(1, 2)
            for part, rows, size in (
                (q, batch.queries, queries), (k, batch.keys, keys), (v, batch.values, keys)
            )
        )  # fmt: skip
        mask = None if batch.allowed is None else batch.allowed[:, None]
        if self._shape.score_cap is None:
            scale = self._shape.score_scale(i)
            z = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
        else:
            z = _pattern(self._network.scaled(i, q @ k.transpose(2, 3)), mask) @ v
        z = z.transpose(1, 2).reshape(runs * queries, -1)
        return z if batch.real is None else self._take(z, batch.real)

    def _mlp(self, i: int, layer: Layer, x: Tensor) -> Tensor:
        """What the MLP writes that reads the rows x."""
        size = MLP_ROWS if x.device.type == "cpu" else len(x)
        parts = []
        for start in range(0, len(x), size):
            h = self._network.norm("ln2", i, x[start : start + size])
            up = self._linear(layer.up, h)
            if layer.gate is not None:
                up = self._linear(layer.gate, h).mul_(up)
            parts.append(self._linear(layer.down, up))
        out = parts[0] if len(parts) == 1 else torch.cat(parts)
        return self._network.written("ln2", i, out)

    def _add(self, step: LayerStep[Tensor], x: Tensor, out: Tensor) -> Tensor:
        """The stream after the MLP, which writes `out`, with the rows that enter after it."""
        begin, add = step.mlp
        entering = self._take(x, begin) + self._take(out, add)
        x = self._enter(out.add_(x), step.copied)
        return torch.cat([x, entering]) if len(begin) else x

    # ---------------------------------------------------------------- rows
    def _linear(self, linear: Linear, x: Tensor) -> Tensor:
        self.flops += linear.flops_per_row * len(x)
        return linear(x)

    def _enter(self, x: Tensor, rows: Tensor) -> Tensor:
        """x with copies of some rows after its own."""
        return torch.cat([x, self._take(x, rows)]) if len(rows) else x

    def _take(self, x: Tensor, rows: Tensor) -> Tensor:
        return x.index_select(0, rows)


def _pattern(scores: Tensor, allowed: Tensor | None) -> Tensor:
    if allowed is None:
        return scores.softmax(-1)
    # A query that may look at no key would be NaN.
    return scores.masked_fill(~allowed, -math.inf).softmax(-1).masked_fill(~allowed, 0.0)
