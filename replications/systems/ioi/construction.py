"""A model of the indirect-object circuit whose weights are written by hand.

It has the parts that the document describes in GPT-2 small, six layers of five heads without MLPs,
on the vocabulary of the toys. It shows that the claims can hold together, what each part is for,
and that the search for roles finds heads whose roles are known. It is no evidence about any trained
model.

The residual stream is divided into blocks of indicators, one for each token, position or name. A
vector written into a block sums to zero, and so does every position's constant, which is far longer
than the rest: so the LayerNorms change almost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from replications.models.parameters import classic, in_layer
from replications.models.shape import Head, Shape
from replications.systems.ioi.data import CONTEXT, name_tokens, toy_tokenizer
from replications.systems.ioi.roles import Roles

LAYERS, HEADS, D_HEAD = 6, 5, 116
CONSTANT = 42.0
"""Length of the constant in each of its two coordinates."""
ANSWER = 0.55
"""Logit of a name for each unit of it in the block of names that were written."""

ROLES = Roles(
    name_mover=(4, 0),
    name_movers=((4, 0), (4, 1), (5, 0), (5, 1)),
    negative=((5, 2), (5, 3)),
    s_inhibition=((3, 2), (3, 0), (3, 1), (3, 3)),
    biggest_inhibition=((3, 2),),
    token_readers=((3, 1), (3, 3)),
    induction=((2, 0), (2, 1)),
    fuzzy=((2, 2), (2, 3)),
    duplicate=((0, 0), (0, 1)),
    previous=((1, 0), (1, 1)),
    outside=((3, 4), (4, 3), (4, 4), (5, 4)),
    outside_early=((2, 4),),
    outside_earliest=((0, 2), (1, 2)),
)
"""The heads as they were written."""


class _Stream:
    """The blocks of the residual stream. Each block has one more coordinate, which balances it."""

    def __init__(self) -> None:
        words, names = len(toy_tokenizer()), len(name_tokens(toy_tokenizer()))
        self.sizes = {
            "constant": 1,
            "token": words,
            "position": CONTEXT,
            "token before": words,
            "repeated": 1,
            "repeated position": CONTEXT,
            "inhibited position": CONTEXT,
            "inhibited name": names,
            "name": names,
            "unread name": names,
        }
        self.d_model = sum(self.sizes.values()) + len(self.sizes)
        starts = torch.tensor([0, *(size + 1 for size in self.sizes.values())]).cumsum(0)
        self._start = dict(zip(self.sizes, starts.tolist(), strict=False))

    def read(self, block: str) -> Tensor:
        """What reads each indicator of a block: [size d_model]."""
        start, size = self._start[block], self.sizes[block]
        return torch.eye(self.d_model)[start : start + size]

    def write(self, block: str) -> Tensor:
        """What sets each indicator of a block: [size d_model]."""
        found = self.read(block)
        found[:, self._start[block] + self.sizes[block]] = -1.0
        return found


@dataclass(frozen=True)
class _Match:
    """Attention grows by `gain` where a query and a key have the same indicator: [m d_model]."""

    query: Tensor
    key: Tensor
    gain: float


@dataclass(frozen=True)
class _Move:
    """What is read at the key is written at the query, `gain` times as long: each [m d_model]."""

    read: Tensor
    write: Tensor
    gain: float


def shape() -> Shape:
    """The architecture."""
    words = len(toy_tokenizer())
    return Shape(
        n_layers=LAYERS,
        n_heads=HEADS,
        d_model=_Stream().d_model,
        d_head=D_HEAD,
        d_mlp=0,
        n_ctx=CONTEXT,
        d_vocab=words,
        d_vocab_out=words,
        act_fn="gelu_new",
        attn_only=True,
    )


def state_dict() -> dict[str, Tensor]:
    """The weights, in TransformerLens's classic layout."""
    stream = _Stream()
    weights = {name: torch.zeros(size) for name, size in classic(shape()).items()}
    for name in weights:
        if name.endswith(".w"):
            weights[name] += CONSTANT * sqrt(2 / stream.d_model)
    constant = CONSTANT * stream.write("constant")
    weights["embed.W_E"] += stream.write("token")
    weights["pos_embed.W_pos"] += stream.write("position") + constant
    weights["unembed.W_U"][:, name_tokens(toy_tokenizer())] += ANSWER * stream.read("name").T
    for head, (matches, moves) in _Heads(stream).all().items():
        _write(weights, head, matches, moves)
    return weights


def _write(
    weights: dict[str, Tensor], head: Head, matches: Sequence[_Match], moves: Sequence[_Move]
) -> None:
    layer, number = head
    names = ("attn.W_Q", "attn.W_K", "attn.W_V", "attn.W_O")
    W_Q, W_K, W_V, W_O = (weights[in_layer(layer, name)][number] for name in names)
    at = 0
    for match in matches:
        to = slice(at, at := at + len(match.query))
        W_Q[:, to] = sqrt(D_HEAD) * match.gain * match.query.T
        W_K[:, to] = match.key.T
    at = 0
    for move in moves:
        to = slice(at, at := at + len(move.read))
        W_V[:, to] = move.read.T
        W_O[to] = move.gain * move.write


class _Heads:
    """What each head matches and moves."""

    def __init__(self, stream: _Stream) -> None:
        self.read, self.write = stream.read, stream.write
        self.names = name_tokens(toy_tokenizer())
        self.always = stream.read("constant") / CONSTANT
        self.bos = stream.read("token")[:1]

    def all(self) -> dict[Head, tuple[list[_Match], list[_Move]]]:
        """Every head that writes something; all others attend everywhere and write nothing."""
        return {
            (0, 0): self.duplicate(0.2),
            (0, 1): self.duplicate(0.2),
            (1, 0): self.previous(0.42),
            (1, 1): self.previous(0.58),
            (2, 0): self.induction(0.15),
            (2, 1): self.induction(0.15),
            (2, 2): self.fuzzy(0.15),
            (2, 3): self.fuzzy(0.15),
            (3, 0): self.inhibition(0.2, 0.0),
            (3, 1): self.inhibition(0.25, 0.5),
            (3, 2): self.inhibition(0.3, 0.0),
            (3, 3): self.inhibition(0.25, 0.5),
            (4, 0): self.name_mover(9.0, unread=30.0),
            (4, 1): self.name_mover(4.0),
            (5, 0): self.backup(5.0),
            (5, 1): self.backup(2.5),
            (5, 2): self.negative(2.6),
            (5, 3): self.negative(2.2),
            (5, 4): self.constant(34.0),
        }

    # ---------------------------------------------------------------- parts of heads
    def rest_at_bos(self, gain: float) -> _Match:
        """Attend to the token that opens the text, unless something matches better."""
        return _Match(self.always, self.bos, gain)

    def looks_for(self, key: Tensor, gain: float) -> _Match:
        """Attend, from everywhere, to keys with any of these indicators [m d_model]."""
        return _Match(self.always, key.sum(0, keepdim=True), gain)

    def reports(self, shift: int, gain: float) -> list[_Move]:
        """Say that the token is a repeated one, and where it stood: `shift` before the key."""
        seen = self.read("position")[1:]
        where = self.write("repeated position")[1 - shift : CONTEXT - shift]
        flag = self.write("repeated").expand(len(seen), -1)
        return [_Move(seen, where + flag, gain)]

    # ---------------------------------------------------------------- heads
    def constant(self, gain: float) -> tuple[list[_Match], list[_Move]]:
        """Writes the same everywhere, where only the final LayerNorm notices."""
        return [], [_Move(self.always, self.write("unread name")[:1], gain)]

    def duplicate(self, gain: float) -> tuple[list[_Match], list[_Move]]:
        """Looks for the same token, but not at the position itself."""
        same = _Match(self.read("token"), self.read("token"), 30.0)
        not_itself = _Match(self.read("position"), self.read("position"), -40.0)
        return [same, not_itself, self.rest_at_bos(15.0)], self.reports(0, gain)

    def previous(self, gain: float) -> tuple[list[_Match], list[_Move]]:
        """Looks one position back, and writes down the token there."""
        back = _Match(self.read("position")[1:], self.read("position")[:-1], 30.0)
        return [back], [_Move(self.read("token"), self.write("token before"), gain)]

    def induction(self, gain: float) -> tuple[list[_Match], list[_Move]]:
        """Looks for the token whose predecessor is the same token."""
        same = _Match(self.read("token"), self.read("token before"), 20.0)
        return [same, self.rest_at_bos(9.0)], self.reports(1, gain)

    def fuzzy(self, gain: float) -> tuple[list[_Match], list[_Move]]:
        """An induction head for names that duplicate-token heads also tell where to look."""
        names = self.read("token")[self.names]
        same = _Match(names, self.read("token before")[self.names], 8.0)
        behind = _Match(self.read("repeated position")[:-1], self.read("position")[1:], 20.0)
        awake = _Match(names.sum(0, keepdim=True), self.bos, -8.8)
        return [same, behind, self.rest_at_bos(15.0), awake], self.reports(1, gain)

    def inhibition(self, position: float, name: float) -> tuple[list[_Match], list[_Move]]:
        """Looks for a repeated name, and says which name not to take, or from where."""
        matches = [
            self.looks_for(self.read("repeated"), 8.0),
            self.looks_for(self.read("token")[self.names], 6.0),
            self.rest_at_bos(10.0),
        ]
        where = _Move(self.read("repeated position"), self.write("inhibited position"), position)
        which = _Move(self.read("token")[self.names], self.write("inhibited name"), name)
        return matches, [where, which]

    def looks_for_names(self, gain: float, inhibited: float) -> list[_Match]:
        """Looks for names that are neither repeated nor inhibited."""
        names = self.read("token")[self.names]
        return [
            self.looks_for(names, gain),
            self.looks_for(self.read("repeated"), -12.0),
            _Match(self.read("inhibited position"), self.read("position"), -inhibited),
            _Match(self.read("inhibited name"), names, -inhibited / 3),
        ]

    def copies(self, gain: float, to: str = "name") -> _Move:
        """Write the name at the key into the answer, or into another block."""
        return _Move(self.read("token")[self.names], self.write(to), gain)

    def name_mover(self, gain: float, unread: float = 0.0) -> tuple[list[_Match], list[_Move]]:
        """Copies the name that is not inhibited; the final LayerNorm also sees what is unread."""
        moves = [self.copies(gain), self.copies(unread, to="unread name")]
        return self.looks_for_names(12.0, 1.0), moves

    def backup(self, gain: float) -> tuple[list[_Match], list[_Move]]:
        """A name mover that looks away from names that were written already."""
        written = _Match(self.read("name"), self.read("token")[self.names], -0.36)
        matches = [*self.looks_for_names(9.0, 4.0), written, self.rest_at_bos(4.5)]
        return matches, [self.copies(gain)]

    def negative(self, gain: float) -> tuple[list[_Match], list[_Move]]:
        """Looks for names that were written already, and writes against them."""
        written = _Match(self.read("name"), self.read("token")[self.names], 0.5)
        return [written, self.rest_at_bos(4.0)], [self.copies(-gain)]
