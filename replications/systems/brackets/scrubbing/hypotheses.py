"""The experiments, and wrong hypotheses to compare them with.

Heads are named by the part they play. In the published model the count heads are 1.0 and 2.0, the
horizon head is 2.1 and the elevation head 0.0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from replications.circuits.scrubbing import (
    Along,
    Component,
    DirectPath,
    Embeddings,
    Estimate,
    Feature,
    Mask,
    Node,
    Output,
    Position,
)
from replications.models import Head
from replications.systems.brackets.recording import HEADS, sibling
from replications.systems.brackets.roles import Roles
from replications.systems.brackets.scrubbing.features import POSITIONS, Features


class Hypotheses:
    """The hypotheses by name. `direction` is v of the elevation head, [d_model]."""

    def __init__(self, features: Features, roles: Roles, direction: Tensor) -> None:
        self.features = features
        self.roles = roles
        self._direction = direction

    # ---------------------------------------------------------------- heads
    @cached_property
    def count_heads(self) -> tuple[Head, ...]:
        """The head of layer 1 that is not the helper, and the total head: 1.0 and 2.0.

        If the former has another part to play, the total head alone.
        """
        first = sibling(self.roles.helper) if self.roles.helper else (1, 0)
        return tuple(h for h in dict.fromkeys((first, self.roles.total)) if h != self._horizon)

    @property
    def _horizon(self) -> Head:
        return self.roles.negative

    def _others(self) -> tuple[Head, Head]:
        """Heads to put in the place of the total and the horizon head: 0.1 and 1.1."""
        rest = [
            head
            for head in HEADS
            if head not in (*self.count_heads, self._horizon, self.roles.elevation)
        ]
        return rest[0], rest[-1]

    # ---------------------------------------------------------------- all of them
    def __getitem__(self, name: str) -> Output:
        """The hypothesis of this name."""
        return self._all[name]()

    @property
    def names(self) -> tuple[str, ...]:
        """All names: the experiments, then the wrong hypotheses."""
        return tuple(self._all)

    @cached_property
    def _all(self) -> dict[str, Callable[[], Output]]:
        f = self.features
        return {
            "0a": Output,
            "0b": lambda: Output(on=f.nothing),
            "1a": lambda: self._direct(f.count, f.horizon),
            "1b": lambda: self._direct(f.count_open, f.horizon),
            "1-direct-00": lambda: self._direct(
                f.count_open, f.horizon, DirectPath(self.roles.elevation, f.count_open)
            ),
            "2-position-1": self._at_position_1,
            "2a": lambda: self._at_position_1(*self._reads()),
            "2-direction": lambda: self._at_position_1(*self._reads(self._along())),
            "2b": lambda: self._at_position_1(*self._reads(self._phi())),
            "3a": lambda: self._by_position(f.count_open, adjusted=False),
            "3b": lambda: self._by_position(f.count_open, adjusted=True),
            "4": lambda: self._by_position(
                f.count_open, self._first(*self._reads(self._phi())), adjusted=True
            ),
            **self._wrong,
        }

    @cached_property
    def _wrong(self) -> dict[str, Callable[[], Output]]:
        f = self.features
        return {
            "features exchanged": lambda: self._direct(f.horizon, f.count),
            "features exchanged, count(": lambda: self._direct(f.horizon, f.count_open),
            "first count head left out": lambda: self._direct(
                f.count_open, f.horizon, count_heads=self.count_heads[-1:]
            ),
            "horizon head left out": lambda: self._direct(f.count_open, None),
            "total head alone": lambda: self._direct(
                f.count_open, None, count_heads=(self.roles.total,)
            ),
            "first bracket alone": lambda: self._direct(f.open, f.horizon),
            "the label": lambda: self._direct(f.label, f.label),
            "other heads": self._other_heads,
            "1-direct-01": lambda: self._direct(
                f.count_open, f.horizon, DirectPath(sibling(self.roles.elevation), f.count_open)
            ),
            "2a from position 2": lambda: self._at_position_1(
                Embeddings(f.open), Component(self.roles.elevation, 2, f.p1_open), at=2
            ),
            "2-direction across": lambda: self._at_position_1(*self._reads(self._across())),
            "2a without p1": lambda: self._at_position_1(
                Embeddings(f.open), Component(self.roles.elevation, 1, f.open)
            ),
            "2a with position 2 of 0.0": lambda: self._at_position_1(
                Embeddings(f.open), Component(self.roles.elevation, 2, f.p1_open)
            ),
            "3b positions of other strings": lambda: self._by_position(
                f.count_open, adjusted=True, anything=True
            ),
        }

    # ---------------------------------------------------------------- how they are built
    def _direct(
        self,
        count: Feature,
        horizon: Feature | None,
        *more: Node,
        count_heads: tuple[Head, ...] | None = None,
        below: tuple[Node, ...] = (),
    ) -> Output:
        """The count heads depend on one feature, the horizon head on another, if it is named."""
        heads = self.count_heads if count_heads is None else count_heads
        paths = [DirectPath(head, count, *below) for head in heads]
        if horizon is not None:
            paths.append(DirectPath(self._horizon, horizon))
        return Output(*paths, *more)

    def _other_heads(self) -> Output:
        total, horizon = self._others()
        f, kept = self.features, [h for h in self.count_heads if h != self.roles.total]
        paths = [DirectPath(head, f.count_open) for head in (*kept, total)]
        return Output(*paths, DirectPath(horizon, f.horizon))

    def _first(self, *below: Node, at: int = 1) -> Position:
        return Position(at, self.features.count_open, *below)

    def _at_position_1(self, *below: Node, at: int = 1) -> Output:
        """1b, but of the count heads' input only one position depends on count( ."""
        f = self.features
        return self._direct(f.count_open, f.horizon, below=(self._first(*below, at=at),))

    def _reads(self, *of_the_output: Node) -> tuple[Node, ...]:
        """Position 1 depends on the embeddings, and on the elevation head's output there."""
        f = self.features
        head = Component(self.roles.elevation, 1, f.p1_open, *of_the_output)
        return Embeddings(f.open), head

    def _along(self) -> Along:
        return Along(self._direction, self.features.p1_open)

    def _across(self) -> Along:
        """A random direction that is orthogonal to v."""
        v = self._direction / self._direction.norm()
        other = torch.randn(v.shape, generator=torch.Generator().manual_seed(0)).to(v)
        return Along(other - (other @ v) * v, self.features.p1_open)

    def _phi(self) -> Estimate:
        """φ(p) = (2p - 1) v, for every string."""
        p = self.features.shares[:, 0].to(self._direction)
        return Estimate((2 * p - 1)[:, None] * self._direction, self.features.p1_open)

    def _by_position(
        self, count: Feature, *below: Node, adjusted: bool, anything: bool = False
    ) -> Output:
        """The horizon head depends on each position of its input by horizon_i.

        With `anything`, a position may come from any string that has a token there.
        """
        f = self.features
        positions = [
            Position(i, f.has_position(i) if anything else f.horizon_at(i, adjusted=adjusted))
            for i in POSITIONS
        ]
        paths = [DirectPath(head, count, *below) for head in self.count_heads]
        horizon = f.horizon_all(adjusted=adjusted)
        return Output(*paths, DirectPath(self._horizon, horizon, *positions, Mask(f.length)))
