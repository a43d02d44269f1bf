"""The bracket classifier in plain torch, for training; `layout` exports its weights.

It is the function of the published model: 3 layers, 2 heads, pre-LayerNorm, ReLU, bidirectional,
pads left out, two logits read at position 0. It is apart from `training.transformer`, the forward
pass of the other toys, for the sake of two exact savings that fit this task alone: pads are never
computed (rows of equal length attend together), and the last layer computes position 0 only. A
change in the order of its sums would also change the bits of every retrained model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from replications.models.layers import EPSILON
from replications.models.positions import sinusoids
from replications.systems.brackets.data import CONTEXT, PAD
from replications.systems.brackets.model import SHAPE

VOCABULARY, LAYERS, HEADS, CLASSES = SHAPE.d_vocab, SHAPE.n_layers, SHAPE.n_heads, SHAPE.d_vocab_out
D_MODEL, D_HEAD, D_MLP = SHAPE.d_model, SHAPE.d_head, SHAPE.d_mlp


class Group(NamedTuple):
    """Neighbouring rows of one length."""

    rows: int
    width: int


@dataclass(frozen=True)
class Packed:
    """A batch without its pads, as one run of tokens, rows sorted by length.

    Linear maps and LayerNorms see one matrix; attention sees one unmasked block per length.
    """

    tokens: Tensor
    """long [token]"""
    positions: Tensor
    """long [token]"""
    starts: Tensor
    """Index of every row's position 0 in the run: long [batch]."""
    order: Tensor
    """Row of the original batch at each place of the packed one: long [batch]."""
    groups: tuple[Group, ...]


def pack(tokens: Tensor) -> Packed:
    """Sort the rows of tokens [batch pos] by length and drop their pads."""
    sizes, order = (tokens != PAD).sum(-1).sort(stable=True)
    tokens = tokens[order]
    kept = tokens != PAD
    positions = torch.arange(tokens.shape[1]).expand_as(tokens)[kept]
    widths, counts = sizes.unique_consecutive(return_counts=True)
    groups = (Group(c, w) for c, w in zip(counts.tolist(), widths.tolist(), strict=True))
    return Packed(tokens[kept], positions, sizes.cumsum(0) - sizes, order, tuple(groups))


class Attention(nn.Module):
    """Bidirectional attention; with `starts`, queries at position 0 only."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(D_MODEL, 3 * D_MODEL)
        self.out = nn.Linear(D_MODEL, D_MODEL)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, groups: tuple[Group, ...], starts: Tensor | None) -> Tensor:
        """[token 56] to [token 56], or to [batch 56] with `starts`."""
        runs = [group.rows * group.width for group in groups]
        if starts is None:
            q, k, v = (part.split(runs) for part in self.qkv(x).split(D_MODEL, dim=-1))
        else:
            weight, bias = self.qkv.weight, self.qkv.bias
            first = F.linear(x[starts], weight[:D_MODEL], bias[:D_MODEL])
            q = first.split([group.rows for group in groups])
            rest = F.linear(x, weight[D_MODEL:], bias[D_MODEL:])
            k, v = (part.split(runs) for part in rest.split(D_MODEL, dim=-1))
        mixed = [
            F.scaled_dot_product_attention(
                *(part.view(group.rows, -1, HEADS, D_HEAD).transpose(1, 2) for part in parts)
            )
            for group, *parts in zip(groups, q, k, v, strict=True)
        ]
        written: Tensor = self.out(
            torch.cat([z.transpose(1, 2).reshape(-1, D_MODEL) for z in mixed])
        )
        return written


class Block(nn.Module):
    """x + attention(ln1 x), then + mlp(ln2 x)."""

    def __init__(self) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(D_MODEL, eps=EPSILON)
        self.attention = Attention()
        self.ln2 = nn.LayerNorm(D_MODEL, eps=EPSILON)
        self.up = nn.Linear(D_MODEL, D_MLP)
        self.down = nn.Linear(D_MLP, D_MODEL)

    def forward(self, x: Tensor, groups: tuple[Group, ...], starts: Tensor | None = None) -> Tensor:
        mixed = self.attention(self.ln1(x), groups, starts)
        x = mixed + (x if starts is None else x[starts])
        added: Tensor = self.down(F.relu(self.up(self.ln2(x))))
        return x + added


class Classifier(nn.Module):
    """Logits (unbalanced, balanced) of token rows."""

    positions: Tensor

    def __init__(self) -> None:
        super().__init__()
        # padding_idx: the pad embedding of the published model is zero but for 1e-39.
        self.embed = nn.Embedding(VOCABULARY, D_MODEL, padding_idx=PAD)
        self.register_buffer("positions", sinusoids(CONTEXT, D_MODEL, torch.float32))
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.ln_final = nn.LayerNorm(D_MODEL, eps=EPSILON)
        self.head = nn.Linear(D_MODEL, CLASSES)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits [batch 2] of tokens long [batch pos], pos at most 42."""
        packed = pack(tokens)
        logits = self.packed_logits(packed)
        return logits[packed.order.argsort()]

    def packed_logits(self, packed: Packed) -> Tensor:
        """Logits [batch 2] in the order of the packed batch."""
        x = self.embed(packed.tokens) + self.positions[packed.positions]
        for block in self.blocks[:-1]:
            x = block(x, packed.groups)
        x = self.blocks[-1](x, packed.groups, packed.starts)
        logits: Tensor = self.head(self.ln_final(x))
        return logits
