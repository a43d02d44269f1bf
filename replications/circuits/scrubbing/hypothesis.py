"""Hypotheses as trees of named inputs, to be read like a sentence.

"Head 1.0 depends on whether the brackets are balanced in number, and reads this at position 1
alone" is

    Output(DirectPath((1, 0), count, Position(1, count)))

A node is an input of its parent, with the feature that it may depend on. Each node draws a string
that agrees with its parent's string on the feature, or takes its parent's string if the feature is
None. A node without inputs is computed on its string. A node with inputs is computed from them, and
everything in it that is not named comes from one further random string, its rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from replications.circuits.scrubbing.features import Feature
from replications.errors import BadInput
from replications.models import Head, Place, sites


@dataclass(frozen=True, eq=False, init=False)
class Node:
    """An input with the feature it depends on; None stands for the whole string of its parent."""

    on: Feature | None
    inputs: tuple[Node, ...]

    def __init__(self, on: Feature | None = None, *inputs: Node) -> None:
        object.__setattr__(self, "on", on)
        object.__setattr__(self, "inputs", inputs)
        self._check()

    @property
    def name(self) -> str:
        """What the node is; no two inputs of one node have one name."""
        return type(self).__name__.lower()

    def allowed(self) -> tuple[type[Node], ...]:
        """The kinds of input that may be named."""
        return ()

    def walk(self) -> Iterator[Node]:
        """This node and all nodes below it."""
        yield self
        for node in self.inputs:
            yield from node.walk()

    def _check(self) -> None:
        names = [node.name for node in self.inputs]
        for node in self.inputs:
            if not isinstance(node, self.allowed()):
                raise BadInput(f"{node.name!r} is no input of {self.name!r} that can be named")
        if len(set(names)) != len(names):
            raise BadInput(f"{self.name!r} names an input twice: {', '.join(names)}")


class Output(Node):
    """The logits. Its string is the reference string, unless it has a feature itself.

    Inputs: the direct paths of heads and MLPs to the final LayerNorm.
    """

    def __init__(self, *inputs: Node, on: Feature | None = None) -> None:
        super().__init__(on, *inputs)

    def allowed(self) -> tuple[type[Node], ...]:
        return (DirectPath,)


@dataclass(frozen=True, eq=False, init=False)
class DirectPath(Node):
    """What a head, or the MLP of a layer, adds to the residual stream where the output is read.

    The direct path to the final LayerNorm only: later layers see the rest of the parent. Inputs of
    a head: positions of the residual stream before it, and its padding mask.
    """

    source: Head | int

    def __init__(self, source: Head | int, on: Feature | None, *inputs: Node) -> None:
        object.__setattr__(self, "source", source)
        super().__init__(on, *inputs)

    @property
    def name(self) -> str:
        head = isinstance(self.source, tuple)
        return "head {}.{}".format(*self.source) if head else f"mlp{self.source}"  # type: ignore[misc]

    @property
    def layer(self) -> int:
        """The layer of the head or MLP."""
        return self.source if isinstance(self.source, int) else self.source[0]

    @property
    def place(self) -> Place:
        """Where its output is: z of a head, mlp_out of an MLP."""
        if isinstance(self.source, int):
            return sites.MLP_OUT(self.source)
        return sites.Z(self.source[0]).pick(head=self.source[1])

    def allowed(self) -> tuple[type[Node], ...]:
        return () if isinstance(self.source, int) else (Position, Mask)


@dataclass(frozen=True, eq=False, init=False)
class Position(Node):
    """One position of the residual stream that a head reads, as query, key and value.

    Inputs: the token embeddings, and outputs of earlier heads at single positions.
    """

    at: int

    def __init__(self, at: int, on: Feature | None, *inputs: Node) -> None:
        object.__setattr__(self, "at", at)
        super().__init__(on, *inputs)

    @property
    def name(self) -> str:
        return f"position {self.at}"

    def allowed(self) -> tuple[type[Node], ...]:
        return (Embeddings, Component)


class Mask(Node):
    """Which keys of a head are padding."""


class Embeddings(Node):
    """The token embeddings at all positions, by every path that avoids the named components."""


@dataclass(frozen=True, eq=False, init=False)
class Component(Node):
    """The output of a head at one position, by any path below the parent.

    The head's output at other positions is then not named either: it comes from the parent's rest.
    Inputs: what of the output matters, `Along` a direction or an `Estimate` of it.
    """

    head: Head
    at: int

    def __init__(self, head: Head, at: int, on: Feature | None, *inputs: Node) -> None:
        object.__setattr__(self, "head", head)
        object.__setattr__(self, "at", at)
        super().__init__(on, *inputs)

    @property
    def name(self) -> str:
        return "{}.{} at {}".format(*self.head, self.at)

    def allowed(self) -> tuple[type[Node], ...]:
        return (Along, Estimate)

    def _check(self) -> None:
        super()._check()
        if len(self.inputs) > 1:
            raise BadInput(f"{self.name!r}: name one part of its output, not several")


@dataclass(frozen=True, eq=False, init=False)
class Along(Node):
    """The part of an output along a direction [d_model]; what is orthogonal to it is not named."""

    direction: Tensor

    def __init__(self, direction: Tensor, on: Feature | None) -> None:
        object.__setattr__(self, "direction", direction / direction.norm())
        super().__init__(on)


@dataclass(frozen=True, eq=False, init=False)
class Estimate(Node):
    """An estimate of an output, for each string: `values` [string d_model].

    The difference between the output and its estimate is not named.
    """

    values: Tensor

    def __init__(self, values: Tensor, on: Feature | None) -> None:
        object.__setattr__(self, "values", values)
        super().__init__(on)
