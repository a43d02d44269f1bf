"""The edges of the construction that carry names, from how its heads were written."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from replications.circuits import Edge, Node
from replications.circuits.graph import Input
from replications.models.shape import Head
from replications.systems.ioi.construction.heads import BACKUPS, ROLES, wiring

EMBED, LOGITS = Node("embed"), Node("logits")
DETECTORS = (*ROLES.duplicate, *ROLES.induction, *ROLES.fuzzy)
"""Heads that notice a repeated name."""


def planted_edges() -> list[Edge]:
    """Every edge whose receiver is to read there what depends on the names of the prompt.

    Places alone do not: they are the same whatever the names. Nor does it count that words which
    look alike disturb each other a little.
    """
    movers, inhibition = ROLES.name_movers, ROLES.s_inhibition
    writers = (*movers, *ROLES.negative)
    return [
        # the token, and the one before it
        *_edges([EMBED], ROLES.duplicate, "q", "k"),
        *_edges([EMBED], ROLES.previous, "v"),
        *_edges([EMBED], ROLES.all_induction, "q"),
        *_edges(_nodes(ROLES.previous), ROLES.all_induction, "k"),
        # fuzzy heads are also told where to look
        *_edges(_nodes(ROLES.duplicate), ROLES.fuzzy, "q"),
        # that a name is repeated, where, and which
        *_edges(_nodes(DETECTORS), inhibition, "k", "v"),
        *_edges([EMBED], ROLES.token_readers, "v"),
        # what not to copy
        *_edges(_nodes(inhibition), movers, "q"),
        *_edges(_nodes(DETECTORS), writers, "k"),
        # what to copy
        *_edges([EMBED], writers, "k", "v"),
        # what was written already, also by negative heads
        *_edges(_nodes(writers), (*BACKUPS, *ROLES.negative), "q"),
        *(Edge(node, LOGITS) for node in _nodes(writers)),
    ]


def live_edges() -> list[Edge]:
    """Every edge between the embedding, the heads that write something, and the logits."""
    heads = sorted(wiring())
    return [
        *_edges([EMBED, *_nodes(heads)], heads, "q", "k", "v"),
        *(Edge(node, LOGITS) for node in (EMBED, *_nodes(heads))),
    ]


def _nodes(heads: Iterable[Head]) -> list[Node]:
    return [*map(Node.of_head, heads)]


def _edges(senders: Iterable[Node], receivers: Iterable[Head], *inputs: Input) -> list[Edge]:
    """Edges into some inputs of heads, from senders in earlier layers."""
    return [
        Edge(sender, Node.of_head(receiver), name)
        for sender, receiver, name in product(senders, receivers, inputs)
        if sender.layer is None or sender.layer < receiver[0]
    ]
