"""Drawing the strings of a hypothesis: which string each node of it is computed on."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from replications.circuits.scrubbing.hypothesis import Node


@dataclass(frozen=True, eq=False)
class Drawn:
    """A node with the strings that were drawn for it, one for each of n examples."""

    node: Node
    strings: Tensor
    """The node's own strings: long [n]."""
    rest: Tensor
    """Where everything comes from that is not named below the node: long [n]. Without inputs, the
    node's own strings."""
    inputs: tuple[Drawn, ...]

    def walk(self) -> Iterator[Drawn]:
        """This node and all nodes below it."""
        yield self
        for drawn in self.inputs:
            yield from drawn.walk()

    def input(self, kind: type[Node]) -> Drawn | None:
        """The input of a kind of which there is at most one; None if it is not named."""
        return next((drawn for drawn in self.inputs if isinstance(drawn.node, kind)), None)


def draw(node: Node, parents: Tensor, strings: int, seed: int, path: str = "") -> Drawn:
    """Draw for a node and everything below it, given its parent's strings [n].

    The draws of a node depend on the seed and on its place in the tree, so hypotheses that differ
    in one node share all other draws.
    """
    path = f"{path}/{node.name}"
    mine = parents if node.on is None else node.on.draw(parents, _generator(seed, path))
    rest = mine
    if node.inputs:
        generator = _generator(seed, f"{path}/rest")
        rest = torch.randint(strings, (len(mine),), generator=generator)
    inputs = tuple(draw(child, mine, strings, seed, path) for child in node.inputs)
    return Drawn(node, mine, rest, inputs)


def references(strings: int, n: int, seed: int) -> Tensor:
    """n different reference strings: long [n]."""
    return torch.randperm(strings, generator=_generator(seed, "references"))[:n]


def _generator(seed: int, path: str) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32(f"{seed}{path}".encode()))
